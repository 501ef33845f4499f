// SPDX-License-Identifier: Apache-2.0
#include "containment/switching.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace smmu::containment {
namespace {

void keep_first(Result<void>& result, Result<void>&& next) {
    if (result && !next) result = std::move(next);
}

}  // namespace

Result<void> Switching::fall_back(UnitStream stream, GroupId group) noexcept {
    units::IommuUnit* unit = state_.driver(stream.unit);
    if (unit == nullptr) return {};  // was never opened through it
    state_.storms.forget(stream);
    if (unit->state() == units::UnitState::failed)
        return fail(
            EIO,
            fmt::format("{} is failed and does not confirm that stream {:#x} is blocked; reset the "
                        "device before its memory is used again",
                        state_.machine.unit(stream.unit).name, raw(stream.stream)));
    if (Space* space = state_.startup_space(group, stream.unit); space != nullptr)
        return unit->attach(stream.stream, *space->tables);
    return unit->block(stream.stream, units::Recording::on);
}

Result<void> Switching::fall_back(GroupId id) noexcept {
    GroupState& group = state_.groups.of(id);
    Result<void> result;
    for (const UnitStream& stream : group.streams) keep_first(result, fall_back(stream, id));
    if (!result && group.attached)
        if (Object* object = state_.find(*group.attached)) object->unconfirmed = true;
    group.attached.reset();
    return result;
}

Result<void> Switching::open(GroupId id, const Object& object) noexcept {
    GroupState& group = state_.groups.of(id);
    group.attached = object.id;
    group.last_owner = object.client;
    group.quiet = false;
    for (const UnitStream& stream : group.streams) {
        Space* space = state_.spaces.find(state_.key(object, id, stream.unit));
        SMMU_ASSERT(space != nullptr);
        state_.storms.forget(stream);
        if (auto attached = state_.driver(stream.unit)->attach(stream.stream, *space->tables);
            !attached) {
            (void)fall_back(id);  // the error that is reported is the first one
            return attached;
        }
    }
    return {};
}

Result<void> Switching::acquire(GroupId id, const Object& object) {
    const GroupState& group = state_.groups.of(id);
    using enum units::IommuUnit::Owner;
    for (const UnitStream& stream : group.streams)
        SMMU_CHECK(state_.driver(stream.unit)->acquire(stream.stream, group.last_owner == object.client ? same : another));
    return {};
}

void Switching::let_go(GroupId id) noexcept {
    const GroupState& group = state_.groups.of(id);
    if (group.attached || state_.groups.claimed_by(id)) return;
    for (const UnitStream& stream : group.streams)
        if (units::IommuUnit* unit = state_.driver(stream.unit); unit != nullptr) unit->let_go(stream.stream);
}

void Switching::bus_master_off(GroupId id) noexcept {
    for (const DeviceIndex index : state_.groups.of(id).devices)
        if (!state_.device(index).is_bridge) state_.control.bus_master_off(state_.device(index));
}

void Switching::begin_reset(GroupId id) noexcept {
    for (const DeviceIndex index : state_.groups.of(id).devices)
        if (!state_.device(index).is_bridge) state_.control.begin_reset(state_.device(index));
    state_.groups.of(id).quiet = true;
}

bool Switching::resetting(GroupId id) const noexcept {
    return std::ranges::any_of(state_.groups.of(id).devices, [&](DeviceIndex index) {
        return state_.control.resetting(state_.device(index));
    });
}

Result<void> Switching::record(UnitStream stream, units::Recording recording) noexcept {
    const auto group = state_.groups.group_of(stream);
    units::IommuUnit* unit = state_.driver(stream.unit);
    if (unit == nullptr || unit->state() == units::UnitState::failed) return {};
    // Of a stranger there is nothing but its refusals; a unit that has no place for it goes on recording them.
    if (!group) return unit->block(stream.stream, recording);
    if (state_.current_space(stream, *group) != nullptr)
        return unit->record(stream.stream, recording);
    return unit->block(stream.stream, recording);
}

Result<void> Switching::retire_unused(Object& object) noexcept {
    std::set<SpaceKey> used;
    for (std::size_t g = 0; g < state_.groups.count(); ++g) {
        const GroupId group{std::uint32_t(g)};
        if (state_.groups.of(group).attached != object.id &&
            state_.groups.claimed_by(group) != object.id)
            continue;
        for (const UnitId unit : state_.groups.units_of(group))
            used.insert(state_.key(object, group, unit));
    }
    Result<void> result;
    for (Space* space : state_.spaces.of(object.id)) {
        if (used.contains(space->key)) continue;
        units::IommuUnit* unit = state_.driver(space->key.unit);
        keep_first(result, unit->retire(state_.spaces.take(space->key)));
    }
    if (!result) object.unconfirmed = true;
    state_.spaces_changed(object);
    return result;
}

}  // namespace smmu::containment

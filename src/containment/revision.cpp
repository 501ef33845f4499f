// SPDX-License-Identifier: Apache-2.0
#include "containment/revision.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "containment/release.hpp"
#include "containment/start.hpp"
#include "containment/switching.hpp"

namespace smmu::containment {
namespace {

using topology::Device;
using topology::Topology;

Result<void> check_units(const Topology& now, const Topology& next) {
    const auto same = [](const topology::Unit& a, const topology::Unit& b) {
        return a.kind == b.kind && a.name == b.name && a.registers.first == b.registers.first;
    };
    if (std::ranges::equal(now.units, next.units, same)) return {};
    return fail(EINVAL, "units cannot come, go or change their names while the service runs; restart it");
}

// `next` with the numbers of `now`: devices that are known keep theirs, and so do groups, which may be left empty.
Topology renumbered(const Topology& now, Topology next) {
    std::vector<Device> found = std::move(next.devices);
    const std::vector<topology::Group> groups = std::move(next.groups);
    next.devices = now.devices;
    next.groups.assign(now.groups.size(), {});
    for (Device& device : next.devices) {
        device.gone = true;
        device.grants.clear();
    }
    std::vector<DeviceIndex> number(found.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
        const auto at = std::ranges::find(next.devices, found[i].id, &Device::id);
        number[i] = DeviceIndex(std::uint32_t(at - next.devices.begin()));
        if (at == next.devices.end())
            next.devices.push_back(std::move(found[i]));
        else
            *at = std::move(found[i]);
    }
    const auto place = [&](std::vector<DeviceIndex> members, std::string reason) {
        std::optional<GroupId> id;  // the first that one of them had, and nobody took before
        for (const DeviceIndex member : members)
            if (!id && raw(member) < now.devices.size() && next.group(now.device(member).group).devices.empty())
                id = now.device(member).group;
        if (!id) {
            id = GroupId(std::uint32_t(next.groups.size()));
            next.groups.emplace_back();
        }
        for (const DeviceIndex member : members) next.devices[raw(member)].group = *id;
        next.groups[raw(*id)] = {std::move(members), std::move(reason)};
    };
    for (const topology::Group& group : groups) {
        std::vector<DeviceIndex> members;
        for (const DeviceIndex member : group.devices) members.push_back(number[raw(member)]);
        std::ranges::sort(members);
        place(std::move(members), group.reason);
    }
    for (std::size_t i = 0; i < now.devices.size(); ++i)
        if (next.devices[i].gone) place({DeviceIndex(std::uint32_t(i))}, {});
    return next;
}

class Revision {
public:
    Revision(State& state, Topology next)
        : state_(state), next_(renumbered(state.machine, std::move(next))), groups_(next_) {}

    // EBUSY when a client would lose or gain something.
    Result<void> check(Containment::Gone gone) const;
    // Streams of what has vanished refuse, whatever becomes of the rest.
    Result<void> close_vanished() noexcept;
    // Lets go of what has vanished: it is in no object any more.
    Result<void> let_go() noexcept;
    // Makes every space and every place in the units' tables. Nothing opens, and on an error nothing is left of it.
    Result<void> prepare();
    Result<void> commit() noexcept;

private:
    struct Replacement {
        GroupId group;
        UnitId unit;
        std::optional<Space> space;  // nothing: the group reaches nothing without an owner
    };

    bool has_driver(UnitId unit) const {
        const units::IommuUnit* driver = state_.driver(unit);
        return driver != nullptr && driver->state() == units::UnitState::containing;
    }
    bool is_held(GroupId group) const {
        return raw(group) < state_.groups.count() && state_.groups.claimed_by(group).has_value();
    }
    bool is_gone(DeviceIndex index) const { return next_.device(index).gone; }
    std::vector<DeviceIndex> vanished() const;
    std::optional<std::string> difference_of(GroupId group) const;
    std::vector<DeviceIndex> leaving() const;
    std::optional<std::string> newly_protected(const PhysRange& memory) const;
    std::optional<std::string> guarded(const PhysRange& memory, std::optional<ClientId> reader, bool memory_is_new) const;
    Result<void> check_grants() const;
    Result<void> check_extras() const;
    Result<void> prepare_spaces(GroupId group);
    void give_up() noexcept;
    bool moves(GroupId group) const;

    State& state_;
    Topology next_;
    Groups groups_;
    std::vector<Replacement> replacements_;
};

std::vector<DeviceIndex> Revision::vanished() const {
    std::vector<DeviceIndex> result;
    for (std::size_t i = 0; i < state_.machine.devices.size(); ++i)
        if (next_.devices[i].gone && !state_.machine.devices[i].gone) result.push_back(DeviceIndex(std::uint32_t(i)));
    return result;
}

bool same_grants(const std::vector<topology::Grant>& a, const std::vector<topology::Grant>& b) {
    return std::ranges::equal(a, b, [](const topology::Grant& x, const topology::Grant& y) {
        return x.kind == y.kind && x.range == y.range && x.access == y.access;
    });
}

// What would be different for the owner of a group; nothing when all is the same.
std::optional<std::string> Revision::difference_of(GroupId group) const {
    const GroupState& now = state_.groups.of(group);
    std::vector<DeviceIndex> members;
    std::vector<UnitStream> streams;
    for (const DeviceIndex member : now.devices) {
        if (is_gone(member)) continue;
        members.push_back(member);
        for (const topology::Stream& stream : state_.device(member).streams) streams.push_back({stream.unit, stream.id});
        if (state_.device(member).host != next_.device(member).host ||
            state_.device(member).blocked != next_.device(member).blocked)
            return "`host` or `blocked` of it";
    }
    if (members.empty()) return std::nullopt;
    std::ranges::sort(members);
    std::ranges::sort(streams);
    const auto repeated = std::ranges::unique(streams);
    streams.erase(repeated.begin(), repeated.end());
    const GroupState& then = groups_.of(group);
    if (then.devices != members) return "the devices of its group";
    if (then.streams != streams) return "its streams";
    GroupState rest;
    for (const DeviceIndex member : members)
        for (const topology::Grant& grant : state_.device(member).grants)
            if (grant.honoured) rest.add(grant);
    if (!same_grants(rest.extras, then.extras)) return "its startup or reserved memory";
    return std::nullopt;
}

// What protects memory from everybody from now on and did not before.
std::optional<std::string> Revision::newly_protected(const PhysRange& memory) const {
    for (const topology::Protected& part : next_.protected_memory) {
        const auto before = std::ranges::find(state_.machine.protected_memory, part.range, &topology::Protected::range);
        if (before == state_.machine.protected_memory.end() && part.range.overlaps(memory)) return part.what;
    }
    return std::nullopt;
}

// Whose registers there are from now on: of a device that the host drives, or that another client than `reader` has. What
// was so before is nothing new, unless the memory is.
std::optional<std::string> Revision::guarded(const PhysRange& memory, std::optional<ClientId> reader, bool memory_is_new) const {
    for (std::size_t i = 0; i < next_.devices.size(); ++i) {
        const Device& device = next_.devices[i];
        const Device* before = i < state_.machine.devices.size() ? &state_.machine.devices[i] : nullptr;
        const auto object = before != nullptr ? state_.groups.claimed_by(before->group) : std::nullopt;
        const bool is_anothers = object && state_.find(*object)->client != reader;
        if (device.gone || (!device.host && !is_anothers)) continue;
        const bool was_guarded = before != nullptr && (before->host || is_anothers);
        for (const PhysRange& registers : device.registers) {
            if (!registers.overlaps(memory)) continue;
            const bool is_old = was_guarded && std::ranges::find(before->registers, registers) != before->registers.end();
            if (memory_is_new || !is_old) return "registers of " + to_string(device.id);
        }
    }
    return std::nullopt;
}

Result<void> Revision::check_grants() const {
    for (const auto& [id, object] : state_.objects)
        for (const auto& piece : object.grants) {
            const PhysAddr first = piece.value.physical();
            const PhysRange memory =
                PhysRange{first, first + (piece.range.last - piece.range.first)}.rounded_out(object.granule_log2);
            auto what = newly_protected(memory);
            if (!what) what = guarded(memory, object.client, false);
            if (what)
                return fail(EBUSY, fmt::format("nothing has changed: {} would become protected, and {} has granted it", *what,
                                               state_.owner_text(id)));
        }
    return {};
}

// What devices reach from the start, whoever has them.
Result<void> Revision::check_extras() const {
    for (std::size_t g = 0; g < groups_.count(); ++g) {
        const GroupId group{std::uint32_t(g)};
        const auto owner = g < state_.groups.count() ? state_.groups.claimed_by(group) : std::nullopt;
        const auto reader = owner ? std::optional(state_.find(*owner)->client) : std::nullopt;
        for (const topology::Grant& extra : groups_.of(group).extras) {
            const bool is_new = g >= state_.groups.count() ||
                                std::ranges::find(state_.groups.of(group).extras, extra.range, &topology::Grant::range) ==
                                    state_.groups.of(group).extras.end();
            auto what = owner ? newly_protected(extra.range) : std::nullopt;  // of others it is cut out
            if (!what) what = guarded(extra.range, reader, is_new);
            if (what)
                return fail(EBUSY, fmt::format("nothing has changed: {} would be in reach of {} from the start", *what,
                                               to_string(next_.device(groups_.of(group).devices.front()).id)));
        }
    }
    return {};
}

Result<void> Revision::check(Containment::Gone gone) const {
    for (const DeviceIndex index : vanished())
        if (const auto owner = state_.groups.device(index).object; owner && gone == Containment::Gone::refused)
            return fail(EBUSY, fmt::format("nothing has changed: {} would be gone, and belongs to {}", state_.device_text(index),
                                           state_.owner_text(*owner)));
    for (std::size_t g = 0; g < state_.groups.count(); ++g) {
        const GroupId group{std::uint32_t(g)};
        const auto owner = state_.groups.claimed_by(group);
        if (!owner) continue;
        if (const auto what = difference_of(group))
            return fail(EBUSY, fmt::format("nothing has changed: {} would change while {} belongs to {}", *what,
                                           state_.device_text(state_.groups.of(group).devices.front()),
                                           state_.owner_text(*owner)));
    }
    SMMU_CHECK(check_grants());
    return check_extras();
}

// Before anything can be refused: what is plugged in there next has the same streams.
Result<void> Revision::close_vanished() noexcept {
    Result<void> result;
    for (const DeviceIndex index : vanished())
        for (const topology::Stream& stream : state_.device(index).streams) {
            const bool is_shared = std::ranges::any_of(next_.devices, [&](const Device& other) {
                return !other.gone && std::ranges::find(other.streams, stream) != other.streams.end();
            });
            if (is_shared || !has_driver(stream.unit)) continue;
            auto blocked = state_.driver(stream.unit)->block(stream.id, units::Recording::on);
            if (result && !blocked) result = std::move(blocked);
        }
    return result;
}

// What has vanished, and the rest of its group where their tables were made for memory that was the vanished one's.
std::vector<DeviceIndex> Revision::leaving() const {
    std::vector<DeviceIndex> result = vanished();
    for (const DeviceIndex index : vanished()) {
        const GroupState& group = state_.groups.of(state_.device(index).group);
        const bool had_own = std::ranges::any_of(state_.device(index).grants, &topology::Grant::honoured);
        if (!had_own) continue;
        for (const DeviceIndex mate : group.devices)
            if (std::ranges::find(result, mate) == result.end()) result.push_back(mate);
    }
    return result;
}

Result<void> Revision::let_go() noexcept {
    Result<void> result;
    for (const DeviceIndex index : leaving()) {
        const auto object = state_.groups.device(index).object;
        if (!object) continue;
        const Client& owner = *state_.clients.find(state_.find(*object)->client);
        Transgression notice;
        notice.time = state_.clock.now();
        if (!state_.device(index).streams.empty()) {
            notice.unit = state_.device(index).streams.front().unit;
            notice.stream = state_.device(index).streams.front().id;
        }
        notice.device = index;
        notice.address_known = false;
        notice.cause = Cause::device_gone;
        notice.owner_pid = owner.identity.pid;
        notice.owner_uid = owner.identity.uid;
        notice.owner_object = *object;
        if (auto released = release_device(state_, index); !released && released.error().code == EBUSY) return released;
        state_.log.add(std::move(notice), owner.id);
    }
    return result;
}

// The spaces of a group without owner, where they are not what they were.
Result<void> Revision::prepare_spaces(GroupId group) {
    for (const UnitId unit : groups_.units_of(group)) {
        if (!has_driver(unit)) continue;
        SMMU_TRY(auto space, make_startup_space(state_, next_, groups_.of(group), group, unit));
        const Space* before = raw(group) < state_.groups.count() ? state_.startup_space(group, unit) : nullptr;
        const bool same = before != nullptr ? space && space->extras == before->extras : !space;
        if (!same)
            replacements_.push_back({group, unit, std::move(space)});
        else if (space)
            (void)state_.driver(unit)->retire(std::move(space->tables));  // no stream was ever on it
    }
    return {};
}

void Revision::give_up() noexcept {
    for (Replacement& replacement : replacements_)
        if (replacement.space) (void)state_.driver(replacement.unit)->retire(std::move(replacement.space->tables));
    replacements_.clear();
}

Result<void> Revision::prepare() {
    Result<void> result;
    for (const auto& [stream, group] : groups_.streams())
        if (result && has_driver(stream.unit) && !state_.groups.group_of(stream))
            result = state_.driver(stream.unit)->block(stream.stream, units::Recording::on);
    for (std::size_t g = 0; result && g < groups_.count(); ++g) {
        const GroupId group{std::uint32_t(g)};
        if (!is_held(group)) result = prepare_spaces(group);
    }
    if (!result) give_up();
    return result;
}

// Streams of the group go elsewhere than before. Those of a group that somebody has stay where they are.
bool Revision::moves(GroupId group) const {
    if (is_held(group)) return false;
    if (std::ranges::find(replacements_, group, &Replacement::group) != replacements_.end()) return true;
    if (raw(group) >= state_.groups.count()) return true;
    return groups_.of(group).streams != state_.groups.of(group).streams;
}

// First what refuses from now on, then what opens.
Result<void> Revision::commit() noexcept {
    Result<void> result;
    const auto keep = [&](Result<void>&& done) {
        if (result && !done) result = std::move(done);
    };
    for (const auto& [stream, group] : state_.groups.streams())
        if (!groups_.group_of(stream) && has_driver(stream.unit))
            keep(state_.driver(stream.unit)->block(stream.stream, units::Recording::on));
    std::set<GroupId> moving;
    for (std::size_t g = 0; g < groups_.count(); ++g)
        if (const GroupId group{std::uint32_t(g)}; moves(group) && !groups_.of(group).streams.empty()) moving.insert(group);

    groups_.carry_over(state_.groups);
    for (const DeviceIndex index : vanished()) groups_.of(next_.device(index).group).quiet = false;
    state_.machine = std::move(next_);
    state_.device_registers = registers_of_devices(state_.machine);
    for (auto& [id, object] : state_.objects) object.may_open_registers = true;
    state_.groups = std::move(groups_);
    ++state_.ownership;
    std::vector<std::pair<UnitId, std::unique_ptr<units::AddressSpace>>> retired;
    for (Space* space : state_.spaces.of(std::nullopt)) {
        const SpaceKey key = space->key;
        const bool lives = std::ranges::any_of(state_.groups.of(*key.group).streams,
                                               [&](const UnitStream& stream) { return stream.unit == key.unit; });
        const bool replaced = std::ranges::any_of(replacements_, [&](const Replacement& replacement) {
            return replacement.group == *key.group && replacement.unit == key.unit;
        });
        if (!lives || replaced) retired.emplace_back(key.unit, state_.spaces.take(key));
    }
    for (Replacement& replacement : replacements_)
        if (replacement.space) state_.spaces.add(*std::move(replacement.space));
    Switching switching(state_);
    for (const GroupId group : moving) keep(switching.fall_back(group));
    for (auto& [unit, tables] : retired) keep(state_.driver(unit)->retire(std::move(tables)));
    return result;
}

}  // namespace

Result<void> replace_topology(State& state, Topology next, Containment::Gone gone) {
    SMMU_CHECK(check_units(state.machine, next));
    Revision revision(state, std::move(next));
    if (gone == Containment::Gone::let_go) SMMU_CHECK(revision.close_vanished());
    SMMU_CHECK(revision.check(gone));
    SMMU_CHECK(revision.let_go());
    SMMU_CHECK(revision.prepare());
    return revision.commit();
}

}  // namespace smmu::containment

// SPDX-License-Identifier: Apache-2.0
#include "containment/views.hpp"

#include <algorithm>

namespace smmu::containment {
namespace {

using DeviceView = Containment::DeviceView;

DeviceView::State state_of(const State& state, DeviceIndex index) {
    const topology::Device& device = state.device(index);
    const auto behind_one_that = [&](auto predicate) {
        return std::ranges::any_of(device.streams, [&](const topology::Stream& stream) {
            return predicate(state.driver(stream.unit));
        });
    };
    const bool unprogrammed = behind_one_that([](const units::IommuUnit* unit) {
        return unit == nullptr || unit->state() == units::UnitState::untouched;
    });
    if (device.gone) return DeviceView::State::gone;
    if (device.streams.empty()) return DeviceView::State::no_unit;
    if (unprogrammed) return DeviceView::State::open;
    if (behind_one_that([](const units::IommuUnit* unit) {
            return unit->state() == units::UnitState::failed;
        }))
        return DeviceView::State::failed;
    if (device.host) return DeviceView::State::host;
    const GroupState& group = state.groups.of(device.group);
    return group.attached || !group.startup().empty() ? DeviceView::State::contained
                                                   : DeviceView::State::blocked;
}

}  // namespace

Containment::DeviceView view_of(const State& state, DeviceIndex index) {
    const DeviceState& device = state.groups.device(index);
    DeviceView view;
    view.object = device.object;
    view.refused = device.refused;
    view.state = state_of(state, index);
    if (device.object) {
        const Client& owner = *state.clients.find(state.find(*device.object)->client);
        view.owner_pid = owner.identity.pid;
        view.owner_uid = owner.identity.uid;
        view.owner_command = owner.identity.command;
    }
    return view;
}

Containment::ObjectView view_of(const State& state, const Object& object) {
    const Client& owner = *state.clients.find(object.client);
    Containment::ObjectView view;
    view.id = object.id;
    view.owner_pid = owner.identity.pid;
    view.owner_uid = owner.identity.uid;
    view.owner_command = owner.identity.command;
    view.devices.assign(object.devices.begin(), object.devices.end());
    std::uint64_t granted = 0;
    for (const auto& piece : object.grants) {
        const Grant& grant = piece.value;
        view.grants.push_back({piece.range, grant.physical(), grant.access(), grant.memory() != MemoryNumber::none});
        granted += piece.range.length();
    }
    // Neither sum can wrap but for a grant of everything, which no unit's width allows.
    view.exposed_by_rounding = bytes_opened(object.grants, object.granule_log2) - granted;
    for (const Space* space : state.spaces.of(object.id))
        view.table_frames += space->tables->table_frames();
    return view;
}

}  // namespace smmu::containment

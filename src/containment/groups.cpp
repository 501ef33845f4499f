// SPDX-License-Identifier: Apache-2.0
#include "containment/groups.hpp"

#include <algorithm>

namespace smmu::containment {

// Members that ring the same doorbell have it once.
void GroupState::add(const topology::Grant& extra) {
    const bool has_it = std::ranges::any_of(extras, [&](const topology::Grant& known) {
        return known.kind == topology::Grant::Kind::doorbell && extra.kind == known.kind && known.range == extra.range;
    });
    if (!has_it) extras.push_back(extra);
}

std::vector<topology::Grant> GroupState::startup() const {
    std::vector<topology::Grant> result = extras;
    if (is_host) return result;
    std::erase_if(result, [](const topology::Grant& grant) { return grant.kind == topology::Grant::Kind::doorbell; });
    return result;
}

Groups::Groups(const topology::Topology& topology)
    : groups_(topology.groups.size()), devices_(topology.devices.size()) {
    for (std::size_t g = 0; g < topology.groups.size(); ++g) {
        GroupState& group = groups_[g];
        group.devices = topology.groups[g].devices;
        for (const DeviceIndex index : group.devices) {
            const topology::Device& device = topology.device(index);
            group.is_host = group.is_host || device.host;
            for (const topology::Stream& stream : device.streams) {
                const auto [it, added] =
                    streams_.emplace(UnitStream{stream.unit, stream.id}, GroupId(std::uint32_t(g)));
                if (added) group.streams.push_back(it->first);
            }
            for (const topology::Grant& grant : device.grants)
                if (grant.honoured) group.add(grant);
        }
        std::ranges::sort(group.streams);
    }
}

void Groups::carry_over(const Groups& before) {
    for (std::size_t g = 0; g < before.groups_.size() && g < groups_.size(); ++g) {
        groups_[g].attached = before.groups_[g].attached;
        groups_[g].last_owner = before.groups_[g].last_owner;
        groups_[g].quiet = before.groups_[g].quiet;
        groups_[g].moving = before.groups_[g].moving;
    }
    std::ranges::copy(before.devices_, devices_.begin());
}

std::optional<GroupId> Groups::group_of(UnitStream stream) const {
    const auto it = streams_.find(stream);
    if (it == streams_.end()) return std::nullopt;
    return it->second;
}

std::set<UnitId> Groups::units_of(GroupId id) const {
    std::set<UnitId> units;
    for (const UnitStream& stream : of(id).streams) units.insert(stream.unit);
    return units;
}

std::optional<ObjectId> Groups::claimed_by(GroupId id) const {
    for (const DeviceIndex index : of(id).devices)
        if (device(index).object) return device(index).object;
    return std::nullopt;
}

std::vector<topology::Grant> Groups::extras(GroupId id, bool reserved_manual) const {
    std::vector<topology::Grant> result;
    for (const topology::Grant& grant : of(id).extras)
        if (!reserved_manual || grant.kind != topology::Grant::Kind::reserved)
            result.push_back(grant);
    return result;
}

}  // namespace smmu::containment

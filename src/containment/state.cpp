// SPDX-License-Identifier: Apache-2.0
#include "containment/state.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace smmu::containment {

State::State(topology::Topology the_machine, std::vector<DrivenUnit> the_drivers,
             DeviceControl& devices, Clock& time, Policy rules)
    : clients(rules.table_frames_of_clients),
      machine(std::move(the_machine)),
      drivers(std::move(the_drivers)),
      control(devices),
      clock(time),
      policy(rules),
      groups(machine),
      last_recheck(time.now()) {
    SMMU_ASSERT(drivers.size() == machine.units.size());
}

Object* State::find(ObjectId id) {
    const auto it = objects.find(id);
    return it == objects.end() ? nullptr : &it->second;
}

const Object* State::find(ObjectId id) const {
    const auto it = objects.find(id);
    return it == objects.end() ? nullptr : &it->second;
}

Result<Object*> State::object_of(ClientId client, ObjectId id) {
    Object* object = find(id);
    if (object == nullptr || object->client != client)
        return fail(EINVAL, fmt::format("object {} is not one of this client's", raw(id)));
    return object;
}

SpaceKey State::key(const Object& object, GroupId group, UnitId unit) const {
    std::vector<PhysRange> doorbells;
    for (const topology::Grant& extra : groups.extras(group, object.reserved_manual)) {
        if (extra.kind != topology::Grant::Kind::doorbell) return {object.id, unit, group};
        doorbells.push_back(extra.range);
    }
    return {object.id, unit, std::nullopt, std::move(doorbells)};
}

Space* State::startup_space(GroupId group, UnitId unit) {
    return spaces.find({std::nullopt, unit, group});
}

Space* State::current_space(UnitStream stream, GroupId group) {
    const GroupState& state = groups.of(group);
    if (!state.attached) return startup_space(group, stream.unit);
    const Object* object = find(*state.attached);
    SMMU_ASSERT(object != nullptr);
    return spaces.find(key(*object, group, stream.unit));
}

std::vector<units::Assignment> State::assignments(UnitId unit, bool startup_only) {
    std::vector<units::Assignment> result;
    for (const auto& [stream, group] : groups.streams()) {
        if (stream.unit != unit) continue;
        Space* space = startup_only ? startup_space(group, unit) : current_space(stream, group);
        result.push_back({stream.stream, space != nullptr ? space->tables.get() : nullptr});
    }
    return result;
}

ProtectedSet registers_of_devices(const topology::Topology& machine) {
    ProtectedSet set;
    for (const topology::Device& device : machine.devices)
        for (const PhysRange& range : device.registers) set.add(range, {});
    set.seal();
    return set;
}

ProtectedSet protected_from_group(const topology::Topology& machine, GroupId group) {
    ProtectedSet set;
    for (const topology::Protected& part : machine.protected_memory) set.add(part.range, part.what);
    for (const topology::Device& owner : machine.devices) {
        if (!owner.host || owner.group == group) continue;
        for (const PhysRange& range : owner.registers)
            set.add(range, "registers of " + topology::to_string(owner.id));
    }
    set.seal();
    return set;
}

const ProtectedSet& State::protected_from(Client& client) {
    if (client.protected_as_of == ownership) return client.protected_memory;
    ProtectedSet set;
    for (const topology::Protected& part : machine.protected_memory) set.add(part.range, part.what);
    for (const topology::Device& other : machine.devices) {
        const auto claimed = groups.claimed_by(other.group);
        const Object* object = claimed ? find(*claimed) : nullptr;
        if (!other.host && (object == nullptr || object->client == client.id)) continue;
        const std::string whose = other.host ? "the host's kernel" : owner_text(object->id);
        for (const PhysRange& range : other.registers)
            set.add(range, fmt::format("registers of {}, which belongs to {}",
                                       topology::to_string(other.id), whose));
    }
    set.seal();
    client.protected_memory = std::move(set);
    client.protected_as_of = ownership;
    return client.protected_memory;
}

std::string State::owner_text(ObjectId id) const {
    const Object* object = find(id);
    const Client* client = object == nullptr ? nullptr : clients.find(object->client);
    if (client == nullptr) return "nobody";
    return fmt::format("pid {} ({}), object {}", client->identity.pid, client->identity.command,
                       raw(id));
}

void State::membership_changed(Object& object) {
    ++ownership;
    object.units.clear();
    for (const DeviceIndex index : object.devices)
        object.units.merge(groups.units_of(device(index).group));
    spaces_changed(object);
}

void State::spaces_changed(Object& object) const {
    if (object.devices.empty() && spaces.of(object.id).empty()) object.granule_log2 = smallest_granule();
}

unsigned State::smallest_granule() const {
    std::optional<unsigned> smallest;
    for (const DrivenUnit& unit : drivers)
        if (unit.driver)
            smallest = std::min(smallest.value_or(64), unit.driver->capabilities().granule_log2);
    return smallest.value_or(12);
}

}  // namespace smmu::containment

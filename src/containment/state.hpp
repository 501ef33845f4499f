// SPDX-License-Identifier: Apache-2.0
// State: everything containment knows, and the questions that more than one of its parts asks.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "containment/clients.hpp"
#include "containment/containment.hpp"
#include "containment/groups.hpp"
#include "containment/log.hpp"
#include "containment/object.hpp"
#include "containment/space_set.hpp"
#include "containment/storms.hpp"

namespace smmu::containment {

// Memory that no extras of this group may open.
ProtectedSet protected_from_group(const topology::Topology& machine, GroupId group);

// Where devices have registers.
ProtectedSet registers_of_devices(const topology::Topology& machine);

struct State {
    State(topology::Topology the_machine, std::vector<DrivenUnit> the_drivers,
          DeviceControl& devices, Clock& time, Policy rules);

    // Accounts are declared before the units that keep pointers to them, spaces after the units
    // they belong to.
    memory::Account service_account;
    Clients clients;
    topology::Topology machine;
    ProtectedSet device_registers = registers_of_devices(machine);
    std::vector<DrivenUnit> drivers;  // by UnitId
    std::set<UnitId> taken_over;
    DeviceControl& control;
    Clock& clock;
    Policy policy;
    Groups groups;
    SpaceSet spaces;
    std::map<ObjectId, Object> objects;
    std::uint32_t last_object = 0;
    TransgressionLog log;
    Storms storms;
    std::uint64_t ownership = 1;  // goes up when a device changes hands
    // Client memory whose removal a unit did not confirm: kept, because a device may still reach
    // it.
    std::vector<std::shared_ptr<HeldMemory>> unconfirmed_memory;
    Instant last_recheck{};
    bool left = false;  // an orderly stop was carried out

    // nullptr when the unit is known but not programmed.
    units::IommuUnit* driver(UnitId id) const { return drivers[raw(id)].driver.get(); }
    const topology::Device& device(DeviceIndex index) const { return machine.device(index); }
    Object* find(ObjectId id);
    const Object* find(ObjectId id) const;
    // The object when it is this client's; EINVAL else.
    Result<Object*> object_of(ClientId client, ObjectId object);

    // Where the streams of a group go on one unit while an object has it.
    SpaceKey key(const Object& object, GroupId group, UnitId unit) const;
    // The space of the group's own startup, reserved and doorbell grants; nullptr when it has none.
    Space* startup_space(GroupId group, UnitId unit);
    // Where a stream goes now; nullptr: blocked.
    Space* current_space(UnitStream stream, GroupId group);
    std::vector<units::Assignment> assignments(UnitId unit, bool startup_only);

    ProtectedSet protected_from_group(GroupId group) const {
        return containment::protected_from_group(machine, group);
    }
    // Memory that no grant of this client may open.
    const ProtectedSet& protected_from(Client& client);

    // "pid 712 (edu_driver), object 3", for messages.
    std::string owner_text(ObjectId object) const;
    std::string device_text(DeviceIndex index) const {
        return topology::to_string(device(index).id);
    }
    // After devices of the object came or went.
    void membership_changed(Object& object);
    // After spaces of it ended: without devices and spaces its granule starts anew.
    void spaces_changed(Object& object) const;
    // The granule of an object without devices.
    unsigned smallest_granule() const;
};

}  // namespace smmu::containment

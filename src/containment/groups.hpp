// SPDX-License-Identifier: Apache-2.0
// Groups: the devices as containment sees them. A group is attached as a whole, because hardware
// cannot tell its members apart; its streams on all units always go the same way.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/clock.hpp"
#include "containment/protected_set.hpp"
#include "topology/topology.hpp"

namespace smmu::containment {

struct UnitStream {
    UnitId unit;
    StreamId stream;
    friend auto operator<=>(const UnitStream&, const UnitStream&) = default;
};

struct GroupState {
    std::vector<DeviceIndex> devices;
    std::vector<UnitStream> streams;  // of all members, each once
    std::vector<topology::Grant>
        extras;  // honoured startup, reserved and doorbell grants of all members
    std::optional<ObjectId> attached;    // the object whose spaces its streams are on
    // Who reached memory through it last; nothing while it is not quiet: a client of an earlier
    // service.
    std::optional<ClientId> last_owner;
    bool quiet = true;  // made quiet since, or never owned
    bool is_host = false;  // of the host's kernel, which is never attached
    bool moving = false;  // went from one object to another since the last complete drain

    void add(const topology::Grant& extra);
    // What it reaches without an owner: doorbells are for attached devices, and for the host's.
    std::vector<topology::Grant> startup() const;
};

struct DeviceState {
    std::optional<ObjectId> object;  // who claimed it
    std::uint64_t refused = 0;
};

class Groups {
public:
    explicit Groups(const topology::Topology& topology);
    // Of another topology in which these groups and devices keep their numbers: who has them, and what of them was
    // refused, goes on.
    void carry_over(const Groups& before);

    GroupState& of(GroupId id) { return groups_[raw(id)]; }
    const GroupState& of(GroupId id) const { return groups_[raw(id)]; }
    std::size_t count() const { return groups_.size(); }
    DeviceState& device(DeviceIndex index) { return devices_[raw(index)]; }
    const DeviceState& device(DeviceIndex index) const { return devices_[raw(index)]; }

    // Whose stream this is; nothing when no known device has it.
    std::optional<GroupId> group_of(UnitStream stream) const;
    // Every known stream, in order of units.
    const std::map<UnitStream, GroupId>& streams() const { return streams_; }

    std::set<UnitId> units_of(GroupId id) const;
    // The object that claimed a member; nothing when none is claimed.
    std::optional<ObjectId> claimed_by(GroupId id) const;
    // The extras that count in an object; the client of a `reserved_manual` one handles reserved
    // regions itself.
    std::vector<topology::Grant> extras(GroupId id, bool reserved_manual) const;

private:
    std::vector<GroupState> groups_;
    std::vector<DeviceState> devices_;
    std::map<UnitStream, GroupId> streams_;
};

}  // namespace smmu::containment

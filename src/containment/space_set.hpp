// SPDX-License-Identifier: Apache-2.0
// SpaceSet: which address space realises which effective set on which unit. Groups without extras
// of their own share one space per object and unit; a group with extras gets its own, and one for
// the time without an object.
#pragma once

#include <compare>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "containment/effective_set.hpp"
#include "units/unit.hpp"

namespace smmu::containment {

struct SpaceKey {
    std::optional<ObjectId> object;  // nothing: what the group may reach without an owner
    UnitId unit;
    std::optional<GroupId> group;  // nothing: shared by the groups of the object whose extras are `doorbells`
    std::vector<PhysRange> doorbells = {};  // of those groups; empty for a space of one group
    friend auto operator<=>(const SpaceKey&, const SpaceKey&) = default;
};

struct Space {
    SpaceKey key;
    GranuleMap extras;  // what the group may always reach
    // Its tables hold what the object's grants and the extras open, but for this: it should be open and is
    // closed, because there were no tables to keep it open beside a removal.
    GranuleSet starved = {};
    std::unique_ptr<units::AddressSpace> tables;
};

class SpaceSet {
public:
    Space* find(const SpaceKey& key);
    const Space* find(const SpaceKey& key) const;
    Space& add(const SpaceKey& key, std::unique_ptr<units::AddressSpace> tables);
    void add(Space space);
    // Takes a space out of the set, for its unit to retire.
    std::unique_ptr<units::AddressSpace> take(const SpaceKey& key);
    // The spaces of one object, or of no object.
    ShortList<Space*, 4> of(std::optional<ObjectId> object);
    ShortList<const Space*, 4> of(std::optional<ObjectId> object) const;

private:
    std::map<SpaceKey, Space> spaces_;
};

}  // namespace smmu::containment

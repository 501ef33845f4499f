// SPDX-License-Identifier: Apache-2.0
// Object: a client's set of grants and the devices that share them.
#pragma once

#include <memory>
#include <set>
#include <vector>

#include "base/ids.hpp"
#include "containment/effective_set.hpp"
#include "containment/grants.hpp"
#include "containment/in_change.hpp"
#include "containment/removal_history.hpp"
#include "containment/reopening.hpp"

namespace smmu::containment {

class Work;

struct Object {
    ObjectId id;
    ClientId client;
    bool reserved_manual = false;
    Grants grants;
    HeldMemories memories;  // that grants lead to
    // A grant may open registers of a device. Set with the first that does; once it was, it stays until the
    // grants are looked at.
    bool may_open_registers = false;
    std::uint64_t grants_charged = 0;  // what the user pays for: intervals in `grants`
    std::set<DeviceIndex> devices;
    std::set<UnitId> units;  // those its devices sit behind
    unsigned granule_log2 =
        12;  // the largest of these; grows with devices, starts anew when there are none
    RemovalHistory history;
    Reopening reopening;  // of what lack of tables closed
    InChange in_change;
    // A unit did not confirm that something of this object is out of reach: what is removed from
    // now on is kept.
    bool unconfirmed = false;
    std::shared_ptr<Work> work;  // not finished yet
};

}  // namespace smmu::containment

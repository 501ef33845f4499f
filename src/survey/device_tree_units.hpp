// SPDX-License-Identifier: Apache-2.0
// DeviceTreeUnits: what the units of a device tree are in a topology. The caches of an IPMMU are parts of their main unit.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "firmware/device_tree.hpp"
#include "topology/topology.hpp"

namespace smmu::survey {

struct DeviceTreeUnits {
    struct Place {
        UnitId unit;
        std::optional<std::size_t> cache;  // of an IPMMU: index in its caches
    };
    std::vector<topology::Unit> units;
    // Of each unit of the tree. Nothing: it is off or out of reach, and nothing contains what goes through it.
    std::vector<std::optional<Place>> places;
};

// `first`: the id of units[0].
DeviceTreeUnits units_of(const firmware::DeviceTree& tree, UnitId first);

}  // namespace smmu::survey

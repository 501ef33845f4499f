// SPDX-License-Identifier: Apache-2.0
// Open: from a place in physical memory to a unit that containment can use.
#pragma once

#include <optional>

#include "platform/platform.hpp"
#include "topology/topology.hpp"
#include "units/unit.hpp"

namespace smmu::units::smmuv2 {

// What can be told without an arena; reads only.
struct FirstLook {
    bool answers = false;
    std::uint64_t register_bytes = 0;
    std::optional<PhysAddr> tables;  // the first ones that the unit uses now
};
Result<FirstLook> look(platform::Platform& platform, const topology::Unit& unit);

// Reads only: the unit is touched by its take_over. ENXIO when nothing answers, ENOTSUP when this
// driver cannot contain with it. Arena, account and clock outlive the unit.
Result<std::unique_ptr<IommuUnit>> open(platform::Platform& platform, const topology::Unit& unit,
                                        memory::Arena& arena, memory::Account& tables,
                                        Clock& clock);

}  // namespace smmu::units::smmuv2

// SPDX-License-Identifier: Apache-2.0
// Open: from a place in physical memory to a unit that containment can use.
#pragma once

#include "platform/platform.hpp"
#include "topology/topology.hpp"
#include "units/first_look.hpp"
#include "units/unit.hpp"

namespace smmu::units::smmuv2 {

// What can be told without an arena; reads only.
Result<FirstLook> look(platform::Platform& platform, const topology::Unit& unit);

// For a unit whose tables are lost: every stream faults, and no context bank walks any more. EIO: the unit did not confirm.
Result<void> shut(platform::Platform& platform, const topology::Unit& unit, Clock& clock);

// Reads only: the unit is touched by its take_over. ENXIO when nothing answers, ENOTSUP when this
// driver cannot contain with it. Arena, account and clock outlive the unit.
Result<std::unique_ptr<IommuUnit>> open(platform::Platform& platform, const topology::Unit& unit,
                                        memory::Arena& arena, memory::Account& tables,
                                        Clock& clock);

}  // namespace smmu::units::smmuv2

// SPDX-License-Identifier: Apache-2.0
// Open: from a description of a main unit and its cache units to a unit that containment can use.
#pragma once

#include "platform/platform.hpp"
#include "topology/topology.hpp"
#include "units/first_look.hpp"
#include "units/unit.hpp"

namespace smmu::units::ipmmu {

// EINVAL: the description is for another chip than this; ENOTSUP: the chip is not known.
Result<FirstLook> look(platform::Platform& platform, const topology::Unit& unit);

// ENOTSUP: a unit whose tables are lost cannot refuse, as a micro-TLB without tables passes everything.
Result<void> shut(platform::Platform& platform, const topology::Unit& unit, Clock& clock);

// Reads, and where no context is enabled tries whether stage-2 tables can be chosen, which changes nothing then. The unit is
// touched by its take_over. ENXIO when nothing answers, EINVAL and ENOTSUP as above. Arena, account and clock outlive the
// unit.
Result<std::unique_ptr<IommuUnit>> open(platform::Platform& platform, const topology::Unit& unit, memory::Arena& arena,
                                        memory::Account& tables, Clock& clock);

}  // namespace smmu::units::ipmmu

// SPDX-License-Identifier: Apache-2.0
// open: from an address in a firmware table to a unit that can be taken over.
#pragma once

#include <memory>

#include "platform/platform.hpp"
#include "topology/topology.hpp"
#include "units/first_look.hpp"
#include "units/unit.hpp"

namespace smmu::units::vtd {

// Discovery only: reads registers and takes four frames (six in scalable mode); nothing is written to the hardware. Its
// registers are where the table says; more is mapped where the unit's own registers say so. ENXIO when nothing answers, ENOTSUP
// when this driver cannot contain with the unit.
Result<std::unique_ptr<IommuUnit>> open(platform::Platform& platform, const topology::Unit& unit, memory::Arena& arena,
                                        memory::Account& tables, Clock& clock);

// The platform's error when the registers cannot be had, ENOTSUP when this driver makes nothing of the unit.
Result<FirstLook> look(platform::Platform& platform, const topology::Unit& unit);

// For a unit whose tables are lost: every request is refused from now on, by registers and a page of zeros in the place of the
// root table. ENOTSUP: the platform has no such page; EIO: the unit did not confirm.
Result<void> shut(platform::Platform& platform, const topology::Unit& unit, Clock& clock);

}  // namespace smmu::units::vtd

// SPDX-License-Identifier: Apache-2.0
// Open: the unit of a machine whose kernel keeps its IOMMU.
#pragma once

#include "platform/platform.hpp"
#include "topology/topology.hpp"
#include "units/first_look.hpp"
#include "units/unit.hpp"

namespace smmu::units::vfio {

Result<FirstLook> look(platform::Platform& platform, const topology::Unit& unit);

// ENOENT, ENOTSUP: the kernel offers no VFIO containers. Nothing is taken before a device is attached. The platform outlives
// the unit; arena, account and clock are not used.
Result<std::unique_ptr<IommuUnit>> open(platform::Platform& platform, const topology::Unit& unit, memory::Arena& arena,
                                        memory::Account& tables, Clock& clock);

// Nothing is left to be done: the kernel took the containers down with the service that had them.
Result<void> shut(platform::Platform& platform, const topology::Unit& unit, Clock& clock);

}  // namespace smmu::units::vfio

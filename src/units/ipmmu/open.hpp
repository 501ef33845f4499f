// SPDX-License-Identifier: Apache-2.0
// Open: from a description of a main unit and its cache units to a unit that containment can use.
#pragma once

#include <optional>
#include <vector>

#include "platform/platform.hpp"
#include "topology/topology.hpp"
#include "units/unit.hpp"

namespace smmu::units::ipmmu {

// What can be told without an arena; reads only.
struct FirstLook {
    bool answers = false;
    std::uint64_t register_bytes = 0;
    std::optional<PhysAddr> tables;        // of the first context that is enabled now
    std::vector<PhysRange> also_protected;  // registers of every cache unit of the chip, described or not, and of its power
};
// EINVAL: the description is for another chip than this; ENOTSUP: the chip is not known.
Result<FirstLook> look(platform::Platform& platform, const topology::Unit& unit);

// Reads, and where no context is enabled tries whether stage-2 tables can be chosen, which changes nothing then. The unit is
// touched by its take_over. ENXIO when nothing answers, EINVAL and ENOTSUP as above. Arena, account and clock outlive the
// unit.
Result<std::unique_ptr<IommuUnit>> open(platform::Platform& platform, const topology::Unit& unit, memory::Arena& arena,
                                        memory::Account& tables, Clock& clock);

}  // namespace smmu::units::ipmmu

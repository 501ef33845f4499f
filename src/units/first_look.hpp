// SPDX-License-Identifier: Apache-2.0
// FirstLook: what a unit says of itself before anything is decided. The hardware is only read.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/range.hpp"

namespace smmu::units {

struct FirstLook {
    bool answers = false;              // false: registers read as where nothing is
    std::uint64_t register_bytes = 0;  // how far its registers reach
    std::optional<PhysAddr> tables = {};          // it is translating, with these
    std::vector<PhysRange> also_protected = {};  // further registers of it that no device may reach
};

}  // namespace smmu::units

// SPDX-License-Identifier: Apache-2.0
// Target: where a device address leads.
#pragma once

#include <cstdint>

#include "base/address.hpp"

namespace smmu::paging {

// Two whole words, so that it travels in registers: translating costs a few nanoseconds.
struct Target {
    PhysAddr physical{};
    std::uint64_t leaf_bytes = 0;  // of the leaf that says so; 0: nothing is mapped

    explicit operator bool() const { return leaf_bytes != 0; }
};

}  // namespace smmu::paging

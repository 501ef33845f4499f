// SPDX-License-Identifier: Apache-2.0
// Places: where the blocks of registers lie in a unit of either generation, and how many there can be.
#pragma once

#include <cstdint>

namespace smmu::units::ipmmu {

struct Places {
    unsigned generation = 3;

    constexpr bool is_fourth() const { return generation == 4; }
    constexpr std::uint64_t window_bytes() const { return is_fourth() ? 0x20000 : 0x1000; }
    // Context 0 among them, which is never used.
    constexpr unsigned contexts() const { return is_fourth() ? 16 : 8; }
    // Micro-TLBs of a cache unit; how many of them are real only the unit says.
    constexpr unsigned slots() const { return is_fourth() ? 64 : 48; }

    constexpr std::uint64_t context(unsigned index) const {
        if (!is_fourth()) return index * 0x40;
        return 0x10000 + index * 0x1040 + (index < 8 ? 0 : 0x600);
    }
    constexpr std::uint64_t slot(unsigned index) const {
        return (is_fourth() ? 0x3000 : 0) + (index < 32 ? 0x300 + 16 * index : 0x600 + 16 * (index - 32));
    }
    constexpr std::uint64_t unit() const { return is_fourth() ? 0x1000 : 0; }
};

static_assert(Places{3}.context(7) == 0x1c0 && Places{3}.slot(47) == 0x6f0);
static_assert(Places{4}.context(7) == 0x171c0 && Places{4}.context(8) == 0x18800 && Places{4}.slot(63) == 0x37f0);

}  // namespace smmu::units::ipmmu

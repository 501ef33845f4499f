// SPDX-License-Identifier: Apache-2.0
// Entry16: the one door to a 16-byte descriptor that hardware may be reading. Hardware sees the old
// or the new entry, never half of each, so an entry in use can be replaced without a moment in
// between.
#pragma once

#include <cstdint>

namespace smmu::hw {

struct Entry16 {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    friend constexpr bool operator==(const Entry16&, const Entry16&) = default;
};

// One store of all sixteen bytes, after every store before it. `slot` is aligned to 16 bytes.
void store(std::uint64_t* slot, Entry16 entry) noexcept;
// One load of all sixteen bytes.
Entry16 load(const std::uint64_t* slot) noexcept;

}  // namespace smmu::hw

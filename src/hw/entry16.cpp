// SPDX-License-Identifier: Apache-2.0
#include "hw/entry16.hpp"

#include "base/assert.hpp"

namespace smmu::hw {
namespace {

__extension__ using Both = unsigned __int128;

Both joined(Entry16 entry) {
    return Both{entry.high} << 64 | entry.low;
}

Both* as_one(const std::uint64_t* slot) {
    SMMU_ASSERT(reinterpret_cast<std::uintptr_t>(slot) % sizeof(Both) == 0);
    return reinterpret_cast<Both*>(const_cast<std::uint64_t*>(slot));
}

}  // namespace

// Processors promise 16-byte atomicity for compare-and-exchange everywhere, for plain moves only on
// some; it is also a full barrier. Descriptors change rarely, so the exchange costs nothing that
// matters.
void store(std::uint64_t* slot, Entry16 entry) noexcept {
    Both* const target = as_one(slot);
    const Both wanted = joined(entry);
    Both expected = joined({slot[0], slot[1]});
    // This process is the only writer, so the first round succeeds unless hardware marked the entry
    // meanwhile.
    for (Both seen = expected;; expected = seen) {
        seen = __sync_val_compare_and_swap(target, expected, wanted);
        if (seen == expected) return;
    }
}

Entry16 load(const std::uint64_t* slot) noexcept {
    const Both value = __sync_val_compare_and_swap(as_one(slot), Both{0}, Both{0});
    return {static_cast<std::uint64_t>(value), static_cast<std::uint64_t>(value >> 64)};
}

}  // namespace smmu::hw

// SPDX-License-Identifier: Apache-2.0
// Grants: what a client allowed, to the byte: device address -> memory and permissions. This is the
// truth that every table is derived from. Clients may hold millions, so a grant is small.
#pragma once

#include "base/access.hpp"
#include "base/interval_map.hpp"
#include "containment/held_memories.hpp"

namespace smmu::containment {

class Grant {
public:
    Grant() = default;
    Grant(PhysAddr physical, Access access, MemoryNumber memory = MemoryNumber::none)
        : low_(std::uint32_t(physical.value)),
          high_(std::uint32_t(physical.value >> 32)),
          rest_(std::uint32_t(memory) << access_bits | std::uint32_t(access)) {}

    PhysAddr physical() const { return {std::uint64_t{high_} << 32 | low_}; }
    Access access() const { return Access(rest_ & ((1u << access_bits) - 1)); }
    MemoryNumber memory() const { return MemoryNumber(rest_ >> access_bits); }  // none: granted by address

    Grant advanced(std::uint64_t bytes) const { return {physical() + bytes, access(), memory()}; }
    friend bool operator==(const Grant&, const Grant&) = default;

private:
    static constexpr unsigned access_bits = 32 - memory_number_bits;
    std::uint32_t low_ = 0, high_ = 0, rest_ = 0;
};

using Grants = IntervalMap<Iova, Grant>;

}  // namespace smmu::containment

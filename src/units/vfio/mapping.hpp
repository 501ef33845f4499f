// SPDX-License-Identifier: Apache-2.0
// Mapping: what the kernel is told at once: device addresses, and the memory of this process that they lead to.
#pragma once

#include <cstdint>

#include "base/access.hpp"
#include "base/interval_map.hpp"
#include "base/range.hpp"

namespace smmu::units::vfio {

// Containment knows memory by physical addresses, which the kernel keeps for itself here: it is told addresses of this
// process. Those carry a mark, so that none is ever taken for the other.
inline constexpr std::uint64_t process_memory = std::uint64_t{1} << 62;
inline constexpr unsigned marked_address_bits = 63;

// Where one device address leads.
struct Backing {
    std::uint64_t memory = 0;  // address in this process, without the mark
    Access access = Access::none;

    Backing advanced(std::uint64_t bytes) const { return {memory + bytes, access}; }
    friend bool operator==(const Backing&, const Backing&) = default;
};

// Neighbours that continue each other in both addresses, with equal access, are one piece of it.
using Contents = IntervalMap<Iova, Backing>;

struct Mapping {
    IovaRange range;
    Backing backing;
    friend bool operator==(const Mapping&, const Mapping&) = default;
};

}  // namespace smmu::units::vfio

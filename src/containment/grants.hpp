// SPDX-License-Identifier: Apache-2.0
// Grants: what a client allowed, to the byte: device address -> memory and permissions. This is the
// truth that every table is derived from.
#pragma once

#include <memory>

#include "base/access.hpp"
#include "base/interval_map.hpp"
#include "containment/held_memory.hpp"

namespace smmu::containment {

struct Grant {
    PhysAddr physical;
    Access access = Access::none;
    std::shared_ptr<HeldMemory> memory;  // empty: granted by address

    Grant advanced(std::uint64_t bytes) const { return {physical + bytes, access, memory}; }
    friend bool operator==(const Grant&, const Grant&) = default;
};

using Grants = IntervalMap<Iova, Grant>;

}  // namespace smmu::containment

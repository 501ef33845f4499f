// SPDX-License-Identifier: Apache-2.0
// HeldMemory: client memory that stays where it is for as long as this object lives. It is let go
// only after the devices that could reach it are blocked and flushed. Shared by the grants that
// came with it.
#pragma once

#include <span>

#include "base/range.hpp"

namespace smmu::containment {

class HeldMemory {
public:
    virtual ~HeldMemory() = default;
    virtual std::span<const PhysRange> extents() const noexcept = 0;  // in order of its bytes
};

}  // namespace smmu::containment

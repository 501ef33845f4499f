// SPDX-License-Identifier: Apache-2.0
#include "containment/limits.hpp"

#include <algorithm>

namespace smmu::containment {
namespace {

// A block named without length means the block at that address, however long.
bool names(const topology::DeviceId& named, const topology::DeviceId& device) {
    const auto* limit = std::get_if<topology::MmioBlock>(&named);
    const auto* block = std::get_if<topology::MmioBlock>(&device);
    if (limit == nullptr || block == nullptr) return named == device;
    return limit->base == block->base &&
           (limit->length == 0 || block->length == 0 || limit->length == block->length);
}

bool covered(const Identity& identity, PhysRange memory, Access permission) {
    PhysAddr cursor = memory.first;
    // Each pass moves the cursor past at least one line's range, so there are at most as many
    // passes as lines.
    for (std::size_t pass = 0; pass <= identity.limits.size(); ++pass) {
        bool moved = false;
        for (const Limit& limit : identity.limits) {
            if (!limit.memory) return true;
            if (!permits(limit.memory->access, permission) || !limit.memory->range.contains(cursor))
                continue;
            if (limit.memory->range.last >= memory.last) return true;
            cursor = limit.memory->range.last + 1;
            moved = true;
        }
        if (!moved) break;
    }
    return false;
}

}  // namespace

bool may_claim(const Identity& identity, const topology::DeviceId& device) {
    return identity.unlimited || std::ranges::any_of(identity.limits, [&](const Limit& limit) {
               return !limit.device || names(*limit.device, device);
           });
}

bool may_grant(const Identity& identity, PhysRange memory, Access access) {
    if (identity.unlimited) return true;
    if (identity.limits.empty()) return false;
    for (const Access permission : {Access::read, Access::write, Access::execute})
        if (permits(access, permission) && !covered(identity, memory, permission)) return false;
    return true;
}

}  // namespace smmu::containment

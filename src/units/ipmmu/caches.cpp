// SPDX-License-Identifier: Apache-2.0
#include "units/ipmmu/caches.hpp"

namespace smmu::units::ipmmu {

Result<void> UnitCaches::enable(unsigned context, PhysAddr root) noexcept {
    SMMU_CHECK(hardware_.main.enable(context, root));
    live_ |= 1u << context;
    return {};
}

// What is under way by it ends while it is on: off it would pass.
Result<void> UnitCaches::disable(unsigned context) noexcept {
    each_cache([&](CacheUnit& cache) {
        if (cache.is_enabled(context)) cache.flush(context);
    });
    SMMU_CHECK(hardware_.main.flush_as_found(context));
    each_cache([&](CacheUnit& cache) {
        if (cache.has_joined(context) || cache.is_enabled(context)) cache.leave(context);
    });
    auto done = hardware_.main.disable(context);
    if (done) live_ &= ~(1u << context);
    return done;
}

Result<void> UnitCaches::working() const noexcept {
    if (unit_.state() != UnitState::failed) return {};
    return fail(EIO, hardware_.main.where() + ": the unit is stopped, its caches cannot be made to forget; treat the memory as reachable "
                                     "until it was taken over again");
}

// The cache units first, the main unit last: its bit says when all of them are done.
Result<void> UnitCaches::forget(unsigned context) noexcept {
    SMMU_CHECK(working());
    if (!is_live(context)) return {};
    ++flushes_;
    each_cache([&](CacheUnit& cache) {
        if (cache.has_joined(context)) cache.flush(context);
    });
    auto done = hardware_.main.flush(context);
    if (!done) failed();
    return done;
}

Result<void> UnitCaches::forget_everything() noexcept {
    SMMU_CHECK(working());
    for (unsigned context = 1; context < hardware_.main.places().contexts(); ++context) SMMU_CHECK(forget(context));
    return {};
}

void UnitCaches::failed() noexcept {
    if (unit_.state() != UnitState::failed) unit_.hard_stop();
}

}  // namespace smmu::units::ipmmu

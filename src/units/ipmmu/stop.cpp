// SPDX-License-Identifier: Apache-2.0
// Hard stop: everything refuses, whatever state the unit is in. Recheck: whether it still does what it was told. Turn off: the
// one act of this driver that opens; whoever asks for it has decided so.
#include <fmt/format.h>

#include "units/ipmmu/unit.hpp"

namespace smmu::units::ipmmu {

void IpmmuUnit::hard_stop() noexcept {
    state_ = UnitState::failed;
    stop_confirmed_ = refuse_everything();
}

// Every micro-TLB goes to the refusing context by one write, which needs no flush to be sure: of empty tables nothing is
// remembered. Where somebody else took that context, its root is written again first: it is open then anyhow. A cache unit
// without power passes nothing, and is not given any here: with it every micro-TLB would be off.
bool IpmmuUnit::refuse_everything() noexcept {
    if (!main().answers() || refusing_.context == 0) return false;
    const unsigned context = refusing_.context;
    const PhysAddr table = refusing_.table.address();
    if (!main().is_any_enabled()) (void)main().choose_format(main().format());
    if (!main().is_as_written(context, table)) {
        refusing_.was_flushed = false;
        main().enable_unconfirmed(context, table);
    }
    const bool is_format = main().walks_stage2() == (main().format() == TableFormat::stage2);
    bool confirmed = refusing_.was_flushed && is_format && main().is_as_written(context, table);
    for (CacheUnit& cache : hardware_.caches) {
        if (!hardware_.has_power(cache)) {
            confirmed = false;  // it passes nothing now, and everything when somebody turns it on
            continue;
        }
        confirmed = cache.prepare() && confirmed;
        if (!cache.is_enabled(context)) cache.join(context);
        for (unsigned slot = 0; slot < cache.slots(); ++slot)
            confirmed = cache.tie(slot, context) != CacheUnit::Tied::refused && confirmed;
        confirmed = cache.is_enabled(context) && confirmed;
    }
    return confirmed;
}

Result<void> IpmmuUnit::recheck() noexcept {
    if (state_ != UnitState::containing) return stopped();
    const auto changed = [&](const std::string& what) {
        return fail(ESTALE, fmt::format("{}: changed behind the service's back: {}; the unit must be stopped and taken over again, "
                                        "and whoever did it found", name(), what));
    };
    if (!main().answers()) return changed("nothing answers there any more");
    for (const CacheUnit& cache : hardware_.caches)
        if (!hardware_.has_power(cache))
            return changed(fmt::format("power domain {} of {} was turned off", ipmmu::name(cache.known().domain), cache.name()));
    if (main().walks_stage2() != (main().format() == TableFormat::stage2)) return changed("IMSAUXCTLR.S2PTE");
    if (const auto what = main().difference(refusing_.context, refusing_.table.address()); !what.empty()) return changed(what);
    for (const Member& one : members_)
        if (const auto what = main().difference(one.caches->context(), one.space->root()); !what.empty()) return changed(what);
    for (const CacheUnit& cache : hardware_.caches)
        if (const auto what = cache.difference(); !what.empty()) return changed(what);
    return {};
}

Result<void> IpmmuUnit::turn_off() noexcept {
    if (state_ != UnitState::containing) return stopped();
    const auto off = [&]() -> Result<void> {
        for (CacheUnit& cache : hardware_.caches)
            for (unsigned slot = 0; slot < cache.slots(); ++slot)
                if (cache.tied(slot)) cache.untie(slot);
        for (unsigned context = 1; context < main().places().contexts(); ++context)
            if (caches_.is_live(context)) SMMU_CHECK(caches_.disable(context));
        const bool restored = main().choose_format(found_stage2_ ? TableFormat::stage2 : TableFormat::stage1);
        if (restored) return {};
        return fail(EIO, fmt::format("{}: IMSAUXCTLR.S2PTE does not change any more", name()));
    };
    if (auto done = off(); !done) {
        hard_stop();
        return done;
    }
    known_.clear();
    muted_.clear();
    found_.reset();
    was_taken_over_ = false;
    refusing_.was_flushed = false;
    state_ = UnitState::untouched;
    return {};
}

}  // namespace smmu::units::ipmmu

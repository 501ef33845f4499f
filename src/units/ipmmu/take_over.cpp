// SPDX-License-Identifier: Apache-2.0
// Take-over: from whatever state the unit was found in to containing. The order is all that counts on this hardware, where
// off means open: a context refuses before the first micro-TLB is tied to it, a cache unit is closed as soon as it has power,
// what closes comes before what opens, and no micro-TLB is ever off again.
#include <fmt/format.h>

#include <algorithm>

#include "units/ipmmu/unit.hpp"

namespace smmu::units::ipmmu {

bool IpmmuUnit::is_off() const {
    if (main().is_any_enabled()) return false;
    return std::ranges::none_of(hardware_.caches, [&](const CacheUnit& cache) {
        if (!hardware_.has_power(cache)) return false;
        for (unsigned slot = 0; slot < cache.slots(); ++slot)
            if (cache.look(slot).on) return true;
        return false;
    });
}

Found IpmmuUnit::look() const {
    if (is_off()) return Found::off;
    return !was_taken_over_ && find_predecessor(hardware_, arena_) ? Found::own : Found::foreign;
}

Result<IpmmuUnit::Wanted> IpmmuUnit::wanted_spaces(std::span<const Assignment> assignments) const {
    Wanted wanted;
    for (const Assignment& assignment : assignments) {
        SMMU_CHECK(check(assignment.stream));
        if (assignment.space != nullptr && member(*assignment.space) == nullptr)
            return fail(EINVAL, fmt::format("{}: {}: the address space belongs to another unit", name(), describe(assignment.stream)));
        const auto [known, added] = wanted.emplace(assignment.stream, assignment.space);
        if (!added && known->second != assignment.space)
            return fail(EINVAL, fmt::format("{}: {} is assigned twice, differently", name(), describe(assignment.stream)));
    }
    return wanted;
}

// A predecessor's goes on as it is. Another one must be off: the registers of an enabled context cannot be changed without
// opening what is tied to it.
Result<void> IpmmuUnit::choose_refusing_context(Found found) noexcept {
    if (found == Found::own) {
        const auto predecessor = find_predecessor(hardware_, arena_);
        auto adopted = predecessor ? arena_.adopt(predecessor->root, account_, root_order(main().format()))
                                   : Result<memory::Frame>(fail(EIO, name() + ": its contexts changed during the take-over"));
        if (!adopted) return pass_on(std::move(adopted));
        // Empty as the processor sees it: so it is in memory from here on, where walks look.
        memory::publish(memory::Coherency::not_snooped, adopted->words(), adopted->word_count() * sizeof(std::uint64_t));
        if (refusing_.context != 0) tags_.give_back(static_cast<std::uint16_t>(refusing_.context));
        tags_.inherit(static_cast<std::uint16_t>(predecessor->refusing));
        arena_.discard(std::exchange(refusing_.table, {}));
        refusing_ = {predecessor->refusing, *std::move(adopted)};
        caches_.adopt(refusing_.context);
        return {};
    }
    if (refusing_.context != 0 && (!main().is_enabled(refusing_.context) ||
                                   main().is_as_written(refusing_.context, refusing_.table.address())))
        return {};
    std::optional<std::uint16_t> free;
    std::vector<std::uint16_t> enabled;
    while (const auto context = tags_.take(name())) {
        if (!main().is_enabled(*context)) {
            free = *context;
            break;
        }
        enabled.push_back(*context);
    }
    for (const std::uint16_t context : enabled) tags_.give_back(context);
    if (free) {
        if (refusing_.context != 0) tags_.give_back(static_cast<std::uint16_t>(refusing_.context));
        refusing_.context = *free;
        refusing_.was_flushed = false;
        return {};
    }
    return fail(EBUSY, fmt::format("{}: each of the {} contexts is in use by tables that are not this service's, none is left to "
                                   "refuse with; reset the machine, or end whoever uses the unit", name(), tags_.capacity()));
}

// Contexts that stay enabled: what is tied to them can go on being tied.
bool IpmmuUnit::goes_on(unsigned context, Found found) const {
    if (context == refusing_.context) return true;
    return found != Found::foreign && caches_.is_live(context);
}

Result<void> IpmmuUnit::start_refusing() noexcept {
    const bool any = main().is_any_enabled();
    if (!any && !main().choose_format(main().format()))
        return fail(EIO, fmt::format("{}: IMSAUXCTLR.S2PTE does not change any more; start the service again", name()));
    if (any && main().walks_stage2() != (main().format() == TableFormat::stage2))
        return fail(EIO, fmt::format("{}: IMSAUXCTLR.S2PTE changed while contexts are enabled; reset the machine", name()));
    const unsigned context = refusing_.context;
    if (main().is_as_written(context, refusing_.table.address())) {
        caches_.adopt(context);
        SMMU_CHECK(caches_.forget(context));
    } else {
        SMMU_CHECK(caches_.enable(context, refusing_.table.address()));
    }
    refusing_.was_flushed = true;
    return {};
}

// Every micro-TLB of the cache unit, named or not, refuses, but for those that keep a space: one that is off goes straight to
// it, one that is on when all that closes is closed.
Result<void> IpmmuUnit::close(CacheUnit& cache, std::size_t index, const Wanted& wanted, Found found) noexcept {
    SMMU_CHECK(hardware_.power.turn_on(cache.known().domain));
    SMMU_CHECK(cache.prepare());
    cache.join(refusing_.context);
    for (unsigned slot = 0; slot < cache.slots(); ++slot) {
        const StreamId stream = topology::micro_tlb(index, slot);
        const auto known = wanted.find(stream);
        const bool has_space = known != wanted.end() && known->second != nullptr;
        const unsigned own = has_space ? member(*known->second)->caches->context() : 0;
        const unsigned context = own != 0 && goes_on(own, found) ? own : refusing_.context;
        if (context != refusing_.context && cache.look(slot).on) continue;
        if (!cache.has_joined(context)) cache.join(context);
        if (cache.tie(slot, context) == CacheUnit::Tied::refused)
            return fail(EIO, fmt::format("{}: {} does not take context {}", name(), describe(stream), context));
    }
    return {};
}

Result<void> IpmmuUnit::open(const Wanted& wanted) noexcept {
    for (const auto& [stream, space] : wanted) {
        const unsigned context = space != nullptr ? member(*space)->caches->context() : refusing_.context;
        if (context != 0) SMMU_CHECK(tie(stream, context));
    }
    return {};
}

// Nothing is tied to them any more.
Result<void> IpmmuUnit::end_other_contexts(Found found) noexcept {
    for (unsigned context = 1; context < main().places().contexts(); ++context)
        if (main().is_enabled(context) && !goes_on(context, found)) SMMU_CHECK(caches_.disable(context));
    tags_.forget_predecessors();
    return {};
}

Result<void> IpmmuUnit::carry_out(const Wanted& wanted, TakeOver& result) noexcept {
    SMMU_CHECK(start_refusing());
    // Spaces that have a context already are ready before anything is tied. Behind foreign contexts all refuses first.
    if (result.found != Found::foreign)
        for (const Member& one : members_)
            if (const unsigned context = one.caches->context(); context != 0)
                SMMU_CHECK(caches_.enable(context, one.space->root()));
    const Instant closed = main().clock().now();
    for (std::size_t index = 0; index < hardware_.caches.size(); ++index)
        SMMU_CHECK(close(hardware_.caches[index], index, wanted, result.found));
    if (result.found != Found::foreign) SMMU_CHECK(open(wanted));
    SMMU_CHECK(end_other_contexts(result.found));
    for (Member& one : members_) {
        if (one.caches->context() == 0)
            SMMU_CHECK(bind(one));
        else if (!caches_.is_live(one.caches->context()))
            SMMU_CHECK(caches_.enable(one.caches->context(), one.space->root()));
    }
    SMMU_CHECK(open(wanted));
    if (result.found == Found::foreign) result.pause = main().clock().now() - closed;
    return caches_.forget_everything();
}

Result<TakeOver> IpmmuUnit::take_over(std::span<const Assignment> assignments) {
    const Instant begun = main().clock().now();
    if (!main().answers()) return fail(ENXIO, fmt::format("{}: nothing answers there any more", name()));
    SMMU_TRY(const Wanted wanted, wanted_spaces(assignments));
    TakeOver result{.found = look(), .pause = {}, .took = {}};
    if (result.found == Found::off && !was_taken_over_) found_stage2_ = main().walks_stage2();
    SMMU_CHECK(choose_refusing_context(result.found));
    if (result.found != Found::own) caches_.begin_anew();
    for (CacheUnit& cache : hardware_.caches) cache.begin_anew(hardware_.has_power(cache));
    known_.clear();
    muted_.clear();
    for (const auto& [stream, space] : wanted) known_.insert(stream);
    state_ = UnitState::containing;
    was_taken_over_ = true;
    auto done = carry_out(wanted, result);
    found_ = result.found;
    if (!done) {
        caches_.failed();
        return pass_on(std::move(done));
    }
    result.took = main().clock().now() - begun;
    return result;
}

}  // namespace smmu::units::ipmmu

// SPDX-License-Identifier: Apache-2.0
#include "units/ipmmu/cache_unit.hpp"

#include <fmt/format.h>

namespace smmu::units::ipmmu {

Result<void> CacheUnit::prepare() noexcept {
    const auto now = registers_.read<UnitControl>(places().unit());
    const auto wanted = now.without(UnitControl::secure_groups) |
                        (product_->loses_flushes ? UnitControl::cache_off(7) : hw::Bits<UnitControl>());
    if (now == wanted) return {};
    registers_.write(wanted, places().unit());
    const auto then = registers_.read<UnitControl>(places().unit());
    if (then == wanted) return {};
    return fail(EIO, fmt::format("{}: IMSCTLR does not take {:#x} (it reads {:#x}){}; it may belong to secure firmware, which must "
                                 "set it", name_, wanted.raw(), then.raw(),
                                 product_->loses_flushes ? ", and with its cache on this chip loses flushes" : ""));
}

void CacheUnit::join(unsigned context) noexcept {
    registers_.write(ContextControl::enabled(1) | ContextControl::flush(1) | ContextControl::interrupts(1),
                     places().context(context));
    joined_ |= 1u << context;
}

void CacheUnit::leave(unsigned context) noexcept {
    registers_.write(hw::Bits<ContextControl>(ContextControl::flush(1)), places().context(context));
    joined_ &= ~(1u << context);
}

CacheUnit::Tied CacheUnit::tie(unsigned slot, unsigned context) noexcept {
    const std::uint64_t place = places().slot(slot);
    registers_.write(hw::Bits<SlotTag>(0), place);
    registers_.write(SlotControl::enabled(1) | SlotControl::flush(1) | SlotControl::context.of(context), place);
    const Slot now = look(slot);
    if (now.on && now.context == context) {
        ties_[slot] = context;
        exists_[slot] = true;
        return Tied::yes;
    }
    return now.on || exists_[slot] ? Tied::refused : Tied::absent;
}

void CacheUnit::untie(unsigned slot) noexcept {
    registers_.write(hw::Bits<SlotControl>(0), places().slot(slot));
    ties_[slot].reset();
}

void CacheUnit::begin_anew(bool has_power) {
    joined_ = 0;
    for (unsigned context = 1; has_power && context < places().contexts(); ++context)
        if (is_enabled(context)) joined_ |= 1u << context;
    ties_.assign(ties_.size(), std::nullopt);
}

CacheUnit::Slot CacheUnit::look(unsigned slot) const {
    const auto now = registers_.read<SlotControl>(places().slot(slot));
    return {now.has(SlotControl::enabled), now[SlotControl::context]};
}

std::string CacheUnit::difference() const {
    const auto control = registers_.read<UnitControl>(places().unit());
    if (product_->loses_flushes && control[UnitControl::cache_off] != 7)
        return fmt::format("IMSCTLR of {}: its cache was turned off and is on now ({:#x})", name_, control.raw());
    for (unsigned context = 1; context < places().contexts(); ++context)
        if (has_joined(context) && !is_enabled(context))
            return fmt::format("IMCTR of context {} in {}: it was enabled and is off now", context, name_);
    for (unsigned slot = 0; slot < slots(); ++slot) {
        if (!ties_[slot]) continue;
        const Slot now = look(slot);
        if (!now.on) return fmt::format("IMUCTR of {} micro-TLB {}: it was tied to context {} and is off now, its master reaches "
                                        "all memory", name_, slot, *ties_[slot]);
        if (now.context != *ties_[slot])
            return fmt::format("IMUCTR of {} micro-TLB {}: it was tied to context {} and is tied to context {} now", name_, slot,
                               *ties_[slot], now.context);
    }
    return {};
}

}  // namespace smmu::units::ipmmu

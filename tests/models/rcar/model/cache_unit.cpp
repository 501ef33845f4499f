// SPDX-License-Identifier: Apache-2.0
#include "tests/models/rcar/model/cache_unit.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tests/models/rcar/model/registers.hpp"

namespace smmu::model::rcar {
namespace {

constexpr std::uint32_t context_bits = control::enable | control::flush | control::interrupt;
constexpr unsigned asid = 8;

}  // namespace

CacheUnit::CacheUnit(const Product& product, const UnitFacts& facts, MainUnit& main_unit,
                     Complaints& complaints)
    : product_(product),
      facts_(facts),
      main_(main_unit),
      complaints_(complaints),
      control_(facts.is_cache_off_at_start ? cache_off : 0),
      slots_(facts.slots) {}

void CacheUnit::set_power(bool on) {
    powered_ = on;
    control_ = 0;
    contexts_ = {};
    flush_asked_ = {};
    slots_.assign(facts_.slots, {});
}

std::uint32_t CacheUnit::read(std::uint64_t offset) {
    if (!powered_) {
        complain("its registers are read while it has no power");
        return 0;
    }
    const Place at = place(product_.generation, offset);
    if (at.kind == Place::Kind::context && at.index < product_.contexts)
        return at.register_ == context_register::control ? contexts_[at.index] : 0;
    if (at.kind == Place::Kind::slot && at.index < slots_.size())
        return at.register_ == 0 ? slots_[at.index].control : 0;
    if (at.kind == Place::Kind::unit && at.register_ == unit_register::control) return control_;
    return 0;
}

void CacheUnit::write(std::uint64_t offset, std::uint32_t value) {
    if (!powered_) return complain("its registers are written while it has no power");
    const Place at = place(product_.generation, offset);
    if (at.kind == Place::Kind::context && at.index < product_.contexts)
        return write_context(at.index, at.register_, value);
    // What is not there ignores writes; whoever looks for micro-TLBs may try.
    if (at.kind == Place::Kind::slot) {
        if (at.index < slots_.size()) write_slot(at.index, at.register_, value);
        return;
    }
    if (at.kind == Place::Kind::unit) return write_unit(at.register_, value);
    complain(fmt::format("a write of {:#x} to {:#x}, where a cache unit has no register", value,
                         offset));
}

void CacheUnit::write_unit(unsigned offset, std::uint32_t value) {
    if (offset == unit_register::control) {
        if ((value & secure_groups) != 0) complain("USE_SECGRP is set");
        control_ = value;
        return;
    }
    if (offset >= unit_register::physical_map && offset < unit_register::physical_map_end) {
        if (value != 0) complain("the physical map is used");
        return;
    }
    if (offset < unit_register::memory_errors || offset >= unit_register::performance_end)
        complain(fmt::format("a write of {:#x} to {:#x}, where a cache unit has no register", value,
                             offset));
}

void CacheUnit::write_context(unsigned index, unsigned offset, std::uint32_t value) {
    if (offset != context_register::control)
        return complain(
            fmt::format("the register {:#x} of context {} is written, which only the "
                        "main unit has",
                        offset, index));
    if ((value & ~context_bits) != 0)
        complain(fmt::format("IMCTR of context {} takes bits 2:0 only: {:#x}", index, value));
    if (index == 0 && value != 0) complain("context 0 is used, which is reserved");
    if ((contexts_[index] & control::enable) != 0 && (value & control::enable) == 0 && uses(index))
        complain(fmt::format("context {} is disabled while micro-TLBs are tied to it", index));
    contexts_[index] = value & context_bits & ~control::flush;
    if ((value & control::flush) == 0) return;
    forget(index);
    // The main unit may hand out old translations until it has flushed too.
    if (main_.remembers(index)) flush_asked_[index] = true;
}

void CacheUnit::write_slot(unsigned index, unsigned offset, std::uint32_t value) {
    if (offset != 0) {
        if (offset != asid)
            complain(
                fmt::format("a write of {:#x} beside the registers of micro-TLB {}", value, index));
        else if (value != 0)
            complain(fmt::format("IMUASID of micro-TLB {} is set", index));
        return;
    }
    Slot& slot = slots_[index];
    const bool was_on = (slot.control & slot::enable) != 0;
    const bool is_on = (value & slot::enable) != 0;
    const bool flushes = (value & slot::flush) != 0;
    if (flushes && !keeps_what_it_was_told_to_forget()) slot.tlb.clear();
    if (is_on) check_slot(index, value);
    if (was_on && !is_on)
        complain(fmt::format("micro-TLB {} is turned off: its master reaches all memory", index));
    if (is_on && !flushes && context_of(value) != context_of(slot.control) && !slot.tlb.empty())
        complain(
            fmt::format("micro-TLB {} gets another context with old translations and without a "
                        "flush",
                        index));
    slot.control = value & ~slot::flush;
}

void CacheUnit::check_slot(unsigned index, std::uint32_t value) {
    const unsigned context = context_of(value);
    const std::uint32_t known =
        slot::enable | slot::flush | (product_.generation == 4 ? 0x1f0 : 0xf0);
    if ((value & ~known) != 0)
        complain(
            fmt::format("micro-TLB {}: reserved bits or a fixed address: {:#x}", index, value));
    if (context >= product_.contexts)
        return complain(fmt::format("micro-TLB {} is tied to context {} of {}", index, context,
                                    product_.contexts));
    if (context == 0)
        complain(fmt::format("micro-TLB {} is tied to context 0, which is reserved", index));
    if ((contexts_[context] & control::enable) == 0 || !main_.is_enabled(context))
        complain(
            fmt::format("micro-TLB {} is tied to context {}, which is not enabled in both units",
                        index, context));
    if (product_.has_stale_caches && (control_ & cache_off) != cache_off)
        complain(
            fmt::format("micro-TLB {} is enabled with the cache on, which this cut cannot", index));
}

bool CacheUnit::keeps_what_it_was_told_to_forget() const {
    return product_.has_stale_caches && (control_ & cache_off) != cache_off;
}

void CacheUnit::forget(unsigned context) {
    if (keeps_what_it_was_told_to_forget()) return;
    for (Slot& slot : slots_) slot.tlb.forget(context);
}

bool CacheUnit::uses(unsigned context) const {
    return powered_ && std::ranges::any_of(slots_, [&](const Slot& slot) {
               return (slot.control & slot::enable) != 0 && context_of(slot.control) == context;
           });
}

void CacheUnit::flushed(unsigned context) {
    if (std::exchange(flush_asked_[context], false)) return forget(context);
    if (std::ranges::any_of(slots_, [&](const Slot& slot) { return slot.tlb.has(context); }))
        complain(fmt::format("context {} is flushed in the main unit, and not here", context));
}

Outcome CacheUnit::handle(unsigned index, std::uint64_t address, bool write) {
    if (!powered_ || index >= slots_.size()) return {};
    Slot& slot = slots_[index];
    const Outcome untranslated{.allowed = true, .address = address};
    if ((slot.control & slot::enable) == 0) return untranslated;
    const unsigned context = context_of(slot.control);
    if ((contexts_[context] & control::enable) == 0 || !main_.is_enabled(context)) {
        complain(
            fmt::format("micro-TLB {} passes an access untranslated: context {} is not enabled "
                        "in both units",
                        index, context));
        return untranslated;
    }
    std::optional<Translation> found = slot.tlb.find(address);
    if (found && main_.hits_twice(context, address, *found, facts_.bit)) return {};
    if (!found) {
        found = main_.translate(context, address, write, facts_.bit);
        if (!found) return {};
        if ((control_ & cache_off) != cache_off) slot.tlb.add(address, *found);
    }
    if (found->permits(write)) return {.allowed = true, .address = found->at(address)};
    main_.record(context, fault::permission | fault::access | fault::level(found->level()), address,
                 facts_.bit);
    return {};
}

}  // namespace smmu::model::rcar

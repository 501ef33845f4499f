// SPDX-License-Identifier: Apache-2.0
// MainUnit: registers. What it makes of requests: main_walks.cpp.
#include "tests/models/rcar/model/main_unit.hpp"

#include <fmt/format.h>

#include "tests/models/rcar/model/registers.hpp"

namespace smmu::model::rcar {
namespace {

constexpr std::uint32_t control_bits = 0x0003003f;
constexpr std::uint32_t auxiliary_bits = 1u << 24 | stage2_format;

}  // namespace

MainUnit::MainUnit(const Product& product, const Behaviour& behaviour, const Memory& memory,
                   View& view, Complaints& complaints, Others others)
    : product_(product),
      behaviour_(behaviour),
      complaints_(complaints),
      others_(std::move(others)),
      walker_(memory, view, complaints) {}

std::uint32_t MainUnit::read(std::uint64_t offset) {
    const Place at = place(product_.generation, offset);
    if (at.kind == Place::Kind::context && at.index < product_.contexts)
        return read_context(at.index, at.register_);
    if (at.kind != Place::Kind::unit) return 0;
    std::uint32_t signals = 0;
    switch (at.register_) {
        case unit_register::control:
            return control_;
        case unit_register::auxiliary:
            return auxiliary_;
        case unit_register::signals:
            for (const Context& context : contexts_) signals |= context.signals;
            return signals;
        default:
            return 0;
    }
}

void MainUnit::write(std::uint64_t offset, std::uint32_t value) {
    const Place at = place(product_.generation, offset);
    if (at.kind == Place::Kind::context && at.index < product_.contexts)
        return write_context(at.index, at.register_, value);
    if (at.kind == Place::Kind::unit) return write_unit(at.register_, value);
    complain(fmt::format("a write of {:#x} to {:#x}, where the main unit has no register", value,
                         offset));
}

void MainUnit::write_unit(unsigned offset, std::uint32_t value) {
    const auto any_on = [&] {
        for (const Context& context : contexts_)
            if (context.is_on()) return true;
        return false;
    };
    switch (offset) {
        case unit_register::control:
            control_ = value;
            return;
        case unit_register::auxiliary:
            if ((value & ~auxiliary_bits) != 0)
                complain(fmt::format("reserved bits of IMSAUXCTLR are set: {:#x}", value));
            if ((value & stage2_format) != 0 && !product_.has_wide_formats) {
                complain("the stage-2 format is chosen on a product without it");
                value &= ~stage2_format;
            }
            if (((value ^ auxiliary_) & stage2_format) != 0 && any_on())
                complain("the format of all tables is changed while contexts are enabled");
            auxiliary_ = value;
            return;
        case unit_register::signals:
            return complain("a write to IMSSTR, which can only be read");
        default:
            if (offset < unit_register::memory_errors || offset >= unit_register::performance_end)
                complain(
                    fmt::format("a write of {:#x} to {:#x}, where the main unit has no register",
                                value, offset));
    }
}

std::uint32_t* MainUnit::register_of(Context& context, unsigned offset) {
    switch (offset) {
        case context_register::table_control:
            return &context.table_control;
        case context_register::root_low0:
        case context_register::root_high0:
        case context_register::root_low1:
        case context_register::root_high1:
            return &context.roots[(offset - context_register::root_low0) / 4];
        case context_register::attributes0:
        case context_register::attributes1:
            return &context.attributes[(offset - context_register::attributes0) / 4];
        default:
            return nullptr;
    }
}

std::uint32_t MainUnit::read_context(unsigned index, unsigned offset) {
    Context& context = contexts_[index];
    switch (offset) {
        case context_register::control:
            if ((context.control & control::flush) != 0 && !behaviour_.never_flushes) {
                if (context.readings_left == 0)
                    finish_flush(index);
                else
                    --context.readings_left;
            }
            return context.control;
        case context_register::status:
            return context.status;
        case context_register::fault_low:
            return std::uint32_t(context.fault_address);
        case context_register::fault_high:
            return std::uint32_t(context.fault_address >> 32);
        default: {
            const std::uint32_t* const known = register_of(context, offset);
            return known != nullptr ? *known : 0;
        }
    }
}

void MainUnit::write_context(unsigned index, unsigned offset, std::uint32_t value) {
    Context& context = contexts_[index];
    if (offset == context_register::control) return write_control(index, value);
    if (offset == context_register::status) return clear_status(index, value);
    std::uint32_t* const known = register_of(context, offset);
    if (known == nullptr)
        return complain(
            fmt::format("a write of {:#x} to the register {:#x} of context {}, which "
                        "cannot be written",
                        value, offset, index));
    if (context.is_on() && *known != value)
        complain(
            fmt::format("the register {:#x} of context {} is changed while the context is "
                        "enabled",
                        offset, index));
    *known = value;
    if (offset == context_register::attributes0 || offset == context_register::attributes1)
        context.has_attributes[(offset - context_register::attributes0) / 4] = true;
}

// Writing 0 clears; the address goes with it.
void MainUnit::clear_status(unsigned index, std::uint32_t value) {
    if (value != 0)
        return complain(fmt::format(
            "{:#x} is written to IMSTR of context {}, which is cleared by 0", value, index));
    Context& context = contexts_[index];
    context.status = 0;
    context.fault_address = 0;
    context.signals = 0;
}

void MainUnit::write_control(unsigned index, std::uint32_t value) {
    Context& context = contexts_[index];
    const std::uint32_t known = control_bits | (product_.has_wide_formats ? control::wide : 0);
    if ((value & ~known) != 0)
        complain(fmt::format("reserved bits of IMCTR of context {} are set: {:#x}", index, value));
    value &= known;
    if (index == 0 && value != 0) complain("context 0 is used, which is reserved");
    if ((context.control & control::flush) != 0)
        complain(fmt::format("IMCTR of context {} is written while its flush is not over", index));
    const bool was_on = context.is_on();
    const bool is_on = (value & control::enable) != 0;
    if (was_on && is_on && ((value ^ context.control) & control::wide) != 0)
        complain(fmt::format("VA64 of context {} is changed while the context is enabled", index));
    if (was_on && !is_on && others_.use(index))
        complain(fmt::format("context {} is disabled while micro-TLBs are tied to it", index));
    if (!was_on && is_on && (value & control::flush) == 0 && remembers(index))
        complain(
            fmt::format("context {} is enabled with old translations and without a flush", index));
    context.control = value | (context.control & control::flush);
    if ((value & control::flush) != 0) context.readings_left = behaviour_.flush_readings;
    if (is_on) check_enabled(index);
}

void MainUnit::finish_flush(unsigned index) {
    Context& context = contexts_[index];
    context.control &= ~control::flush;
    others_.flushed(index);
    context.tlb.clear();
    walker_.forget(index);
}

bool MainUnit::remembers(unsigned context) const {
    return !contexts_[context].tlb.empty() || walker_.remembers(context);
}

}  // namespace smmu::model::rcar

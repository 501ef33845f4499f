// SPDX-License-Identifier: Apache-2.0
#include "units/ipmmu/main_unit.hpp"

#include <fmt/format.h>

namespace smmu::units::ipmmu {
namespace {

// Attribute 0 is memory, not cached, and attribute 1 registers (Device-nGnRE), as leaves of stage 1 mean them.
constexpr hw::Bits<Attributes> attributes = Attributes::memory(0x44) | Attributes::device(0x04);

constexpr hw::Bits<RootLow> low(PhysAddr root) { return RootLow::address.of_address(root.value & 0xffff'ffff); }
constexpr hw::Bits<RootHigh> high(PhysAddr root) { return RootHigh::address.of(root.value >> 32); }

}  // namespace

bool MainUnit::is_any_enabled() const {
    for (unsigned context = 0; context < places_.contexts(); ++context)
        if (is_enabled(context)) return true;
    return false;
}

PhysAddr MainUnit::root(unsigned context) const {
    const std::uint64_t base = places_.context(context);
    return {registers_.read<RootLow>(base).in_place(RootLow::address) |
            std::uint64_t{registers_.read<RootHigh>(base)[RootHigh::address]} << 32};
}

// Stage 1: four entries of the first level for 32 bits. Stage 2: two tables of the first level side by side for 40 bits.
// Walks are neither cached nor shared.
hw::Bits<TableControl> MainUnit::table_control() const {
    if (format_ == TableFormat::stage1) return TableControl::long_descriptors(1) | TableControl::start(2);
    return TableControl::long_descriptors(1) | TableControl::stage2(1) | TableControl::start(1) | TableControl::size(24);
}

hw::Bits<ContextControl> MainUnit::control_when_on() const {
    const auto common = ContextControl::enabled(1) | ContextControl::interrupts(1);
    return format_ == TableFormat::stage2 ? common | ContextControl::wide(1) : common;
}

std::string MainUnit::difference(unsigned context, PhysAddr root) const {
    const std::uint64_t base = places_.context(context);
    const auto differs = [&](const char* what, std::uint32_t wanted, std::uint32_t seen) {
        return fmt::format("{} of context {}: {:#x} was written, {:#x} is there now", what, context, wanted, seen);
    };
    const auto on = control(context).without(ContextControl::flush);
    if (on != control_when_on()) return differs(ContextControl::name, control_when_on().raw(), on.raw());
    if (const auto seen = registers_.read<RootLow>(base); seen != low(root))
        return differs(RootLow::name, low(root).raw(), seen.raw());
    if (const auto seen = registers_.read<RootHigh>(base); seen != high(root))
        return differs(RootHigh::name, high(root).raw(), seen.raw());
    if (const auto seen = registers_.read<TableControl>(base); seen != table_control())
        return differs(TableControl::name, table_control().raw(), seen.raw());
    if (const auto seen = registers_.read<Attributes>(base); seen != attributes)
        return differs(Attributes::name, attributes.raw(), seen.raw());
    return {};
}

bool MainUnit::choose_format(TableFormat format) noexcept {
    const auto now = auxiliary();
    const bool wanted = format == TableFormat::stage2;
    if (now.has(UnitAuxiliary::stage2) != wanted) {
        const auto others = now.without(UnitAuxiliary::stage2);
        registers_.write(wanted ? others | UnitAuxiliary::stage2(1) : others, places_.unit());
    }
    return walks_stage2() == wanted;
}

bool MainUnit::can_walk_stage2() noexcept {
    if (walks_stage2()) return true;
    const bool taken = choose_format(TableFormat::stage2);
    return choose_format(TableFormat::stage1) && taken;
}

void MainUnit::enable_unconfirmed(unsigned context, PhysAddr root) noexcept {
    const std::uint64_t base = places_.context(context);
    registers_.write(low(root), base);
    registers_.write(high(root), base);
    registers_.write(table_control(), base);
    registers_.write(attributes, base);
    registers_.write(hw::Bits<FaultStatus>(0), base);
    write(context, control_when_on() | ContextControl::flush(1));
}

Result<void> MainUnit::enable(unsigned context, PhysAddr root) noexcept {
    SMMU_CHECK(wait_for_flush(context));
    enable_unconfirmed(context, root);
    SMMU_CHECK(wait_for_flush(context));
    if (const std::string wrong = difference(context, root); !wrong.empty())
        return fail(EIO, fmt::format("{}: {}; the unit does not take what is written, it cannot be used", where_, wrong));
    return {};
}

Result<void> MainUnit::disable(unsigned context) noexcept {
    SMMU_CHECK(wait_for_flush(context));
    write(context, ContextControl::flush(1));
    return wait_for_flush(context);
}

Result<void> MainUnit::flush(unsigned context) noexcept {
    SMMU_CHECK(wait_for_flush(context));
    write(context, control_when_on() | ContextControl::flush(1));
    return wait_for_flush(context);
}

Result<void> MainUnit::flush_as_found(unsigned context) noexcept {
    SMMU_CHECK(wait_for_flush(context));
    write(context, control(context) | ContextControl::flush(1));
    return wait_for_flush(context);
}

Result<void> MainUnit::wait_for_flush(unsigned context) noexcept {
    const bool done = hw::wait_until(hw::Deadline(*clock_, acknowledge_limit), [&] {
        const auto now = control(context);
        return now.raw() != ~std::uint32_t{0} && !now.has(ContextControl::flush);
    });
    if (done) return {};
    return fail(EIO, fmt::format("{}: a flush of context {} was not confirmed within {} ms (IMCTR {:#x}); the unit is stopped, "
                                 "reset the machine before its devices are used again",
                                 where_, context, acknowledge_limit.count() / 1'000'000, control(context).raw()));
}

std::optional<Fault> MainUnit::take_fault(unsigned context) noexcept {
    const std::uint64_t base = places_.context(context);
    const auto status = registers_.read<FaultStatus>(base);
    const auto any = hw::Bits<FaultStatus>(status.raw() & 0x17);
    if (status.raw() == ~std::uint32_t{0} || any.raw() == 0) return std::nullopt;
    // The address is lost as soon as the status is cleared.
    const std::uint64_t low_part = registers_.read<FaultLow>(base).raw();
    const std::uint64_t high_part = registers_.read<FaultHigh>(base)[FaultHigh::address];
    registers_.write(hw::Bits<FaultStatus>(0), base);
    return Fault{status, low_part | high_part << 32};
}

}  // namespace smmu::units::ipmmu

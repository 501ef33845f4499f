// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv3/open.hpp"

#include <fmt/format.h>

#include "units/smmuv3/unit.hpp"

namespace smmu::units::smmuv3 {
namespace {

constexpr unsigned page_64k_log2 = 16;

std::string name_of(PhysRange registers) { return fmt::format("smmuv3@{:x}", registers.first.value); }

// Both pages of registers, whatever a table or a person says of their size.
Result<PhysRange> window(PhysRange registers) {
    const auto whole = PhysRange::from_length(registers.first, register_bytes);
    if (registers.first.value == 0 || !is_aligned(registers.first, page_64k_log2) || !whole)
        return fail(EINVAL, fmt::format("{}: registers cannot be at {:#x}, which is no 64 KiB boundary; firmware or configuration "
                                        "is wrong", name_of(registers), registers.first.value));
    return *whole;
}

}  // namespace

Result<FirstLook> look(platform::Platform& platform, const topology::Unit& described) {
    const PhysRange registers = described.registers;
    SMMU_TRY(const PhysRange place, window(registers));
    SMMU_TRY(const std::unique_ptr<hw::Mmio> mmio, platform.registers(place));
    const hw::Registers unit(*mmio);
    const auto found = Features::read(unit, name_of(registers));
    if (!found && found.error().code == ENXIO) return FirstLook{};
    FirstLook seen{.answers = true, .register_bytes = register_bytes};
    if (unit.read<ControlDone>().has(ControlDone::enabled))
        seen.tables = PhysAddr{unit.read<StreamTableBase>().in_place(StreamTableBase::address)};
    return seen;
}

Result<std::unique_ptr<IommuUnit>> open(platform::Platform& platform, const topology::Unit& described, memory::Arena& arena,
                                        memory::Account& tables, Clock& clock) {
    const PhysRange registers = described.registers;
    SMMU_TRY(const PhysRange place, window(registers));
    SMMU_TRY(std::unique_ptr<hw::Mmio> mmio, platform.registers(place));
    SMMU_TRY(Features features, Features::read(hw::Registers(*mmio), name_of(registers)));
    if (described.coherent_walks)  // firmware knows the interconnect better than the register does (IDR0.COHACC)
        features.coherency = *described.coherent_walks ? memory::Coherency::snooped : memory::Coherency::not_snooped;
    SMMU_TRY(std::unique_ptr<SmmuV3Unit> unit,
             SmmuV3Unit::create(std::move(mmio), features, name_of(registers), arena, tables, clock,
                                described.host_address_bits));
    return std::unique_ptr<IommuUnit>(std::move(unit));
}

// The queues lie in the lost memory, too: the unit must neither read nor write them any more.
Result<void> shut(platform::Platform& platform, const topology::Unit& described, Clock& clock) {
    SMMU_TRY(const PhysRange place, window(described.registers));
    SMMU_TRY(std::unique_ptr<hw::Mmio> mmio, platform.registers(place));
    SMMU_TRY(const Features features, Features::read(hw::Registers(*mmio), name_of(described.registers)));
    Hardware hardware(std::move(mmio), features, name_of(described.registers), clock);
    const auto bypass = hardware.registers().read<Bypass>();
    SMMU_CHECK(hardware.set_bypass(bypass.without(Bypass::update) | Bypass::abort(1)));
    SMMU_CHECK(hardware.disable(Control::enabled, ControlDone::enabled));
    SMMU_CHECK(hardware.disable(Control::page_request_queue, ControlDone::page_request_queue));
    SMMU_CHECK(hardware.disable(Control::event_queue, ControlDone::event_queue));
    return hardware.disable(Control::command_queue, ControlDone::command_queue);
}

}  // namespace smmu::units::smmuv3

// SPDX-License-Identifier: Apache-2.0
#include "units/vtd/open.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "units/vtd/unit.hpp"

namespace smmu::units::vtd {
namespace {

constexpr std::uint64_t smallest_window = 0x1000;

Result<PhysRange> window(PhysRange registers, std::uint64_t bytes, const std::string& where) {
    if (registers.first.value == 0 || !is_aligned(registers.first, 12))
        return fail(EINVAL,
                    fmt::format("{}: registers cannot be at {:#x}; the firmware table is wrong",
                                where, registers.first.value));
    const auto needed = PhysRange::from_length(registers.first, std::max(bytes, smallest_window));
    if (!needed)
        return fail(EINVAL, fmt::format("{}: registers wrap around the top of memory", where));
    return PhysRange{registers.first, std::max(registers.last, needed->last)};
}

// Reads of places that are nobody's give ones on most machines and zeros on others; no unit has all of these so.
bool nothing_answers(const hw::Registers& unit) {
    const bool zeros = unit.read<Version>().raw() == 0 && unit.read<Capability>().raw() == 0 &&
                       unit.read<ExtendedCapability>().raw() == 0;
    return zeros || unit.read<GlobalStatus>().raw() == ~std::uint32_t{0};
}

}  // namespace

Result<FirstLook> look(platform::Platform& platform, const topology::Unit& described) {
    const PhysRange registers = described.registers;
    const std::string name = fmt::format("vtd@{:x}", registers.first.value);
    SMMU_TRY(const PhysRange first_page, window(registers, smallest_window, name));
    SMMU_TRY(const std::unique_ptr<hw::Mmio> mmio, platform.registers(first_page));
    const hw::Registers unit(*mmio);
    if (nothing_answers(unit)) return FirstLook{};
    SMMU_TRY(const Features features, Features::read(unit, name));
    FirstLook seen{.answers = true, .register_bytes = features.register_bytes()};
    if (unit.read<GlobalStatus>().has(GlobalStatus::translation))
        seen.tables = PhysAddr{unit.read<RootTable>().in_place(RootTable::address)};
    return seen;
}

Result<std::unique_ptr<IommuUnit>> open(platform::Platform& platform, const topology::Unit& described, memory::Arena& arena,
                                        memory::Account& tables, Clock& clock) {
    const PhysRange registers = described.registers;
    std::string name = fmt::format("vtd@{:x}", registers.first.value);
    SMMU_TRY(const PhysRange first_look, window(registers, smallest_window, name));
    SMMU_TRY(std::unique_ptr<hw::Mmio> mmio, platform.registers(first_look));
    SMMU_TRY(const Features features, Features::read(hw::Registers(*mmio), name));
    SMMU_TRY(const PhysRange whole, window(registers, features.register_bytes(), name));
    if (whole != first_look) {
        mmio.reset();
        SMMU_TRY(mmio, platform.registers(whole));
    }
    SMMU_TRY(std::unique_ptr<VtdUnit> unit,
             VtdUnit::create(std::move(mmio), features, std::move(name), arena, tables, clock,
                             described.host_address_bits));
    return std::unique_ptr<IommuUnit>(std::move(unit));
}

}  // namespace smmu::units::vtd

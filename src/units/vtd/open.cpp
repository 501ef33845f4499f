// SPDX-License-Identifier: Apache-2.0
#include "units/vtd/open.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "units/vtd/register_invalidation.hpp"
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

// The root first, as that needs nothing to be waited for; then the queue, which lies in the lost memory as well and would keep
// registers from invalidating.
Result<void> shut(platform::Platform& platform, const topology::Unit& described, Clock& clock) {
    std::string name = fmt::format("vtd@{:x}", described.registers.first.value);
    SMMU_TRY(const PhysRange first_look, window(described.registers, smallest_window, name));
    SMMU_TRY(std::unique_ptr<hw::Mmio> mmio, platform.registers(first_look));
    SMMU_TRY(const Features features, Features::read(hw::Registers(*mmio), name));
    SMMU_TRY(const PhysRange whole, window(described.registers, features.register_bytes(), name));
    SMMU_TRY(const PhysAddr zeros, platform.zero_page());
    mmio.reset();
    SMMU_TRY(mmio, platform.registers(whole));
    Hardware hardware(std::move(mmio), features, std::move(name), clock);
    const auto status = hardware.registers().read<GlobalStatus>();
    SMMU_CHECK(hardware.set_root(zeros, hardware.mode() != TableMode::reserved ? hardware.mode() : features.walk.mode));
    if (!status.has(GlobalStatus::translation)) SMMU_CHECK(hardware.enable(GlobalCommand::translation, GlobalStatus::translation));
    if (status.has(GlobalStatus::queued_invalidation))
        SMMU_CHECK(hardware.disable(GlobalCommand::queued_invalidation, GlobalStatus::queued_invalidation));
    if (features.root_invalidates) return {};
    if (hardware.mode() == TableMode::scalable) return hardware.not_confirmed("forgetting in scalable mode");  // registers cannot
    return RegisterInvalidation(hardware).run(everything);
}

}  // namespace smmu::units::vtd

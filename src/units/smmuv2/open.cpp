// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv2/open.hpp"

#include <fmt/format.h>

#include "units/smmuv2/predecessor.hpp"
#include "units/smmuv2/unit.hpp"

namespace smmu::units::smmuv2 {
namespace {

Result<std::unique_ptr<hw::Mmio>> map(platform::Platform& platform, const topology::Unit& unit,
                                      std::uint64_t bytes) {
    const PhysAddr first = unit.registers.first;
    const auto window = PhysRange::from_length(first, bytes);
    if (first.value == 0 || !is_aligned(first, 12) || !window)
        return fail(EINVAL,
                    fmt::format("{}: registers cannot be at {:#x}; firmware or configuration is "
                                "wrong",
                                unit.name, first.value));
    return platform.registers(*window);
}

// The first page says how many there are, whatever a table or a person says of their size.
Result<Features> identify(platform::Platform& platform, const topology::Unit& unit) {
    SMMU_TRY(const std::unique_ptr<hw::Mmio> page, map(platform, unit, smallest_page));
    return Features::read(hw::Registers(*page), unit);
}

std::optional<PhysAddr> tables_in_use(const Hardware& hardware) {
    if (!hardware.translates()) return std::nullopt;
    for (unsigned bank = hardware.features().first_bank; bank < hardware.features().banks; ++bank)
        if (is_on(hardware, bank))
            return PhysAddr{hardware.read_in<TableBase>(bank).in_place(TableBase::address)};
    return std::nullopt;
}

}  // namespace

Result<FirstLook> look(platform::Platform& platform, const topology::Unit& unit) {
    const auto features = identify(platform, unit);
    if (!features && features.error().code == ENXIO) return FirstLook{};
    if (!features) return pass_on(Result<Features>(features));
    SMMU_TRY(std::unique_ptr<hw::Mmio> mmio, map(platform, unit, features->register_bytes()));
    SteadyClock clock;
    const Hardware hardware(std::move(mmio), *features, unit.name, clock);
    return FirstLook{.answers = true,
                     .register_bytes = features->register_bytes(),
                     .tables = tables_in_use(hardware)};
}

Result<std::unique_ptr<IommuUnit>> open(platform::Platform& platform, const topology::Unit& unit,
                                        memory::Arena& arena, memory::Account& tables,
                                        Clock& clock) {
    SMMU_TRY(const Features features, identify(platform, unit));
    SMMU_TRY(std::unique_ptr<hw::Mmio> mmio, map(platform, unit, features.register_bytes()));
    SMMU_TRY(std::unique_ptr<SmmuV2Unit> made,
             SmmuV2Unit::create(std::move(mmio), features, unit, arena, tables, clock));
    return std::unique_ptr<IommuUnit>(std::move(made));
}

// Banks go off last: one that is off passes what still leads to it.
Result<void> shut(platform::Platform& platform, const topology::Unit& unit, Clock& clock) {
    SMMU_TRY(const Features features, identify(platform, unit));
    SMMU_TRY(std::unique_ptr<hw::Mmio> mmio, map(platform, unit, features.register_bytes()));
    Hardware hardware(std::move(mmio), features, unit.name, clock);
    const auto found = hardware.read<Control>();
    // How ids are read stays as it is while groups are valid.
    const auto closed = running_control(features, false).without(Control::extended_ids) |
                        Control::extended_ids.of(found[Control::extended_ids]) |
                        Control::wide_vmids.of(found[Control::wide_vmids]);
    hardware.write(closed);
    Streams streams(hardware);
    streams.close_all();
    SMMU_CHECK(streams.confirm());
    if (vital_bits(hardware.read<Control>()) != vital_bits(closed))
        return hardware.not_confirmed(Control::name);
    SMMU_CHECK(hardware.wait_for_syncs());
    hardware.write(ForgetAllHypervisor::value);
    hardware.write(ForgetAllClients::value);
    SMMU_CHECK(hardware.sync());
    for (unsigned bank = features.first_bank; bank < features.banks; ++bank)
        switch_off(hardware, bank);
    return {};
}

}  // namespace smmu::units::smmuv2

// SPDX-License-Identifier: Apache-2.0
#include "units/ipmmu/open.hpp"

#include <fmt/format.h>

#include "units/ipmmu/unit.hpp"

namespace smmu::units::ipmmu {
namespace {

// Contexts that are enabled go on with the format they have: it is one for all.
TableFormat choose_format(MainUnit& main, const Product& product) {
    if (!product.has_stage2) return TableFormat::stage1;
    const bool stage2 = main.is_any_enabled() ? main.walks_stage2() : main.can_walk_stage2();
    return stage2 ? TableFormat::stage2 : TableFormat::stage1;
}

}  // namespace

Result<FirstLook> look(platform::Platform& platform, const topology::Unit& unit) {
    const auto chip = read_chip(platform, unit.name);
    if (!chip && chip.error().code == ENXIO) return FirstLook{};
    if (!chip) return std::unexpected<Error>(chip.error());
    SMMU_TRY(const Product* const product, check_description(*chip, unit));
    const std::uint64_t bytes = product->places.window_bytes();
    SMMU_TRY(auto mmio, platform.registers({product->main, product->main + (bytes - 1)}));
    SteadyClock clock;  // never read: a look does not wait
    const MainUnit main(std::move(mmio), product->places, unit.name, clock);
    if (!main.answers()) return FirstLook{};
    FirstLook seen{.answers = true, .register_bytes = bytes, .tables = {}, .also_protected = other_registers(*product)};
    for (unsigned context = 1; context < product->places.contexts() && !seen.tables; ++context)
        if (main.is_enabled(context)) seen.tables = main.root(context);
    return seen;
}

Result<std::unique_ptr<IommuUnit>> open(platform::Platform& platform, const topology::Unit& unit, memory::Arena& arena,
                                        memory::Account& tables, Clock& clock) {
    SMMU_TRY(const topology::Chip chip, read_chip(platform, unit.name));
    SMMU_TRY(const Product* const product, check_description(chip, unit));
    SMMU_TRY(Hardware hardware, open_hardware(platform, unit, chip, *product, clock));
    if (!hardware.main.answers())
        return fail(ENXIO, fmt::format("{}: nothing answers at {:#x}", unit.name, product->main.value));
    hardware.main.set_format(choose_format(hardware.main, *product));
    SMMU_TRY(std::unique_ptr<IpmmuUnit> made,
             IpmmuUnit::create(std::move(hardware), arena, tables, unit.host_address_bits));
    return std::unique_ptr<IommuUnit>(std::move(made));
}

Result<void> shut(platform::Platform&, const topology::Unit& unit, Clock&) {
    return fail(ENOTSUP, fmt::format("{}: it cannot refuse without tables; reset the machine", unit.name));
}

}  // namespace smmu::units::ipmmu

// SPDX-License-Identifier: Apache-2.0
#include "units/ipmmu/hardware.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace smmu::units::ipmmu {
namespace {

PhysRange window_at(const Product& product, std::uint64_t base) {
    return {{base}, {base + product.places.window_bytes() - 1}};
}

Result<void> check_cache(const topology::CacheUnit& cache, const Product& product, const topology::Unit& unit,
                         topology::Chip chip) {
    const auto known = std::ranges::find(product.caches, cache.registers.first.value, &KnownCache::base);
    if (known == product.caches.end())
        return fail(EINVAL, fmt::format("{}: the chip is {}, which has no cache unit at {:#x}, where {} ({}) says {} is; the "
                                        "description is for another chip or cut", unit.name, describe(chip),
                                        cache.registers.first.value, cache.origin.text, unit.origin.text, cache.name));
    if (cache.status_bit && known->status_bit && *cache.status_bit != *known->status_bit)
        return fail(EINVAL, fmt::format("{}: the chip is {}, where bit {} of the interrupt status is that of {}, not bit {} as {} "
                                        "says; the description is for another chip or cut", unit.name, describe(chip),
                                        *known->status_bit, cache.name, *cache.status_bit, cache.origin.text));
    return {};
}

}  // namespace

std::vector<PhysRange> other_registers(const Product& product) {
    std::vector<PhysRange> ranges;
    for (const KnownCache& cache : product.caches) ranges.push_back(window_at(product, cache.base));
    if (!product.places.is_fourth()) ranges.push_back(power_registers);
    return ranges;
}

Result<topology::Chip> read_chip(platform::Platform& platform, const std::string& where) {
    const PhysRange page = PhysRange{product_register, product_register}.rounded_out(12);
    SMMU_TRY(const std::unique_ptr<hw::Mmio> mmio, platform.registers(page));
    const std::uint32_t word = mmio->read32(product_register - page.first);
    if (word == 0 || word == ~std::uint32_t{0})
        return fail(ENXIO, fmt::format("{}: nothing answers at {:#x}, where an R-Car says which chip it is", where,
                                       product_register.value));
    return chip_of(word);
}

Result<const Product*> check_description(topology::Chip chip, const topology::Unit& unit) {
    const Product* const product = find_product(chip);
    if (product == nullptr)
        return fail(ENOTSUP, fmt::format("{}: the chip has product {:#x}, cut {:#x}, which this driver does not know; nobody could "
                                         "say which masters stay open", unit.name, chip.product, chip.cut));
    if (!unit.chips.empty() && std::ranges::find(unit.chips, chip) == unit.chips.end()) {
        std::string meant;
        for (const topology::Chip& one : unit.chips) meant += (meant.empty() ? "" : ", ") + describe(one);
        return fail(EINVAL, fmt::format("{}: the chip is {}, and the description ({}) is for {}; use the board file of this chip",
                                        unit.name, describe(chip), unit.origin.text, meant));
    }
    if (unit.registers.first != product->main)
        return fail(EINVAL, fmt::format("{}: the chip is {}, whose main IPMMU is at {:#x}, not at {:#x}", unit.name, describe(chip),
                                        product->main.value, unit.registers.first.value));
    for (auto cache = unit.caches.begin(); cache != unit.caches.end(); ++cache) {
        SMMU_CHECK(check_cache(*cache, *product, unit, chip));
        const auto twin = std::find_if(unit.caches.begin(), cache, [&](const topology::CacheUnit& other) {
            return other.registers.first == cache->registers.first;
        });
        if (twin != cache)
            return fail(EINVAL, fmt::format("{}: {} and {} are both at {:#x}", unit.name, twin->name, cache->name,
                                            cache->registers.first.value));
    }
    return product;
}

Result<Hardware> open_hardware(platform::Platform& platform, const topology::Unit& unit, topology::Chip chip,
                               const Product& product, Clock& clock) {
    std::vector<CacheUnit> caches;
    for (const topology::CacheUnit& cache : unit.caches) {
        const auto known = std::ranges::find(product.caches, cache.registers.first.value, &KnownCache::base);
        SMMU_TRY(auto mmio, platform.registers(window_at(product, known->base)));
        caches.emplace_back(std::move(mmio), product, *known, cache.name, true);
    }
    for (const KnownCache& known : product.caches) {
        if (std::ranges::find(unit.caches, PhysAddr{known.base}, [](const auto& cache) { return cache.registers.first; }) !=
            unit.caches.end())
            continue;
        SMMU_TRY(auto mmio, platform.registers(window_at(product, known.base)));
        caches.emplace_back(std::move(mmio), product, known, std::string(known.name), false);
    }
    SMMU_TRY(auto main, platform.registers(window_at(product, product.main.value)));
    std::unique_ptr<hw::Mmio> power;
    if (!product.places.is_fourth()) {
        SMMU_TRY(power, platform.registers(power_registers));
    }
    return Hardware{chip, &product, MainUnit(std::move(main), product.places, unit.name, clock), std::move(caches),
                    Power(std::move(power), unit.name, clock)};
}

}  // namespace smmu::units::ipmmu

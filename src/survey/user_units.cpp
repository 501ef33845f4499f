// SPDX-License-Identifier: Apache-2.0
// The units that the user describes: new ones, and those of firmware under another name or kind.
#include <fmt/format.h>

#include <algorithm>

#include "survey/draft.hpp"

namespace smmu::survey {

using topology::CacheUnit;
using topology::Unit;
using topology::UnitKind;

void Draft::add_user_units() {
    for (const config::SupportModule& module : user_.modules)
        if (module.main) add_main_unit(module);
    for (const config::UnitEntry& entry : user_.units) {
        if (entry.kind == UnitKind::ipmmu)
            add_cache_unit(entry);
        else
            add_user_unit(entry);
    }
    for (Unit& unit : topology_.units)
        unit.unknown_streams_pass = unit.kind == UnitKind::smmuv2 && user_.bypasses_unclaimed(unit.name);
}

Unit* Draft::unit_at(PhysAddr base) {
    const auto at = std::ranges::find(topology_.units, base, [](const Unit& unit) { return unit.registers.first; });
    return at != topology_.units.end() ? &*at : nullptr;
}

// The same registers: the user's name and kind count; what firmware says of its size and scopes stays.
void Draft::add_user_unit(const config::UnitEntry& entry) {
    Unit* unit = unit_at(entry.base);
    if (unit == nullptr) {
        unit = &topology_.units.emplace_back();
        unit->registers = registers_at(entry.base, page_bytes);
    } else {
        const auto id = UnitId(std::uint32_t(unit - topology_.units.data()));
        topology_.superseded.push_back(
            {id, fmt::format("unit {} at {:#x}", unit->name, entry.base.value), unit->origin, entry.origin});
    }
    unit->kind = entry.kind;
    unit->name = entry.name;
    unit->origin = entry.origin;
    for (const std::uint32_t stream : entry.reserved_streams) unit->reserved_streams.push_back(StreamId(stream));
}

// The main unit of an R-Car. What firmware says of it and of its cache units stays.
void Draft::add_main_unit(const config::SupportModule& module) {
    Unit* unit = unit_at(module.main->base);
    if (unit == nullptr) {
        unit = &topology_.units.emplace_back();
        unit->registers = registers_at(module.main->base, page_bytes);
        unit->name = fmt::format("ipmmu@{:x}", module.main->base.value);
        unit->origin = module.origin;
    }
    unit->kind = UnitKind::ipmmu;
    unit->chips = module.main->chips;
}

void Draft::add_cache_unit(const config::UnitEntry& entry) {
    Unit* const main = unit_at(entry.main_base);
    if (main == nullptr) return;  // its smmu word was wrong, which is an error of its own
    CacheUnit cache{entry.name, registers_at(entry.base, page_bytes), entry.interrupts.front(), entry.origin};
    const auto known = std::ranges::find(main->caches, entry.base, [](const CacheUnit& of) { return of.registers.first; });
    if (known == main->caches.end()) {
        main->caches.push_back(std::move(cache));
        return;
    }
    const auto id = UnitId(std::uint32_t(main - topology_.units.data()));
    topology_.superseded.push_back(
        {id, fmt::format("cache unit {} at {:#x}", known->name, entry.base.value), known->origin, entry.origin});
    *known = std::move(cache);
}

}  // namespace smmu::survey

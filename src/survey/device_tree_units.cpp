// SPDX-License-Identifier: Apache-2.0
#include "survey/device_tree_units.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace smmu::survey {

using firmware::TreeUnit;
using topology::Unit;
using topology::UnitKind;

namespace {

// SMMUv2 of makers who changed what a driver must do to make one refuse: a plain driver would leave them open. They count
// as units of a kind that is not driven.
constexpr std::string_view changed_by_makers[] = {"qcom-smmu-500", "qcom-smmu-v2", "nvidia-smmu-500", "marvell-smmu-500", "cavium-smmu-v2"};

UnitKind kind_of(const TreeUnit& unit) {
    return std::ranges::find(changed_by_makers, unit.family) != std::end(changed_by_makers) ? UnitKind::unsupported : unit.kind;
}

std::string name_of(const TreeUnit& unit, UnitKind kind) {
    return fmt::format("{}@{:x}", kind == UnitKind::unsupported ? unit.family : topology::name(kind), unit.registers.front().first.value);
}

bool is_there(const TreeUnit& unit) { return unit.enabled && !unit.registers.empty(); }

class Placing {
public:
    Placing(const firmware::DeviceTree& tree, UnitId first) : tree_(tree), first_(raw(first)) { found_.places.resize(tree.units.size()); }

    DeviceTreeUnits take() {
        for (std::size_t i = 0; i < tree_.units.size(); ++i)
            if (is_there(tree_.units[i]) && !tree_.units[i].main_unit) add_unit(i);
        for (std::size_t i = 0; i < tree_.units.size(); ++i)
            if (is_there(tree_.units[i]) && tree_.units[i].main_unit) add_cache(i, *tree_.units[i].main_unit);
        // Older chips have IPMMUs that walk for themselves.
        for (Unit& unit : found_.units)
            if (unit.kind == UnitKind::ipmmu && unit.caches.empty()) unit.kind = UnitKind::unsupported;
        return std::move(found_);
    }

private:
    void add_unit(std::size_t index) {
        const TreeUnit& unit = tree_.units[index];
        const UnitKind kind = kind_of(unit);
        found_.places[index] = {UnitId(std::uint32_t(first_ + found_.units.size())), std::nullopt};
        found_.units.push_back({.kind = kind,
                                .name = name_of(unit, kind),
                                .registers = unit.registers.front(),
                                .origin = unit.origin,
                                .coherent_walks = unit.coherent});
    }
    // A cache whose main unit is off cannot translate; its micro-TLBs let everything pass.
    void add_cache(std::size_t index, std::size_t main) {
        const auto& place = found_.places[main];
        if (!place || tree_.units[main].main_unit) return;
        Unit& unit = found_.units[raw(place->unit) - first_];
        if (unit.kind != UnitKind::ipmmu) return;
        const TreeUnit& cache = tree_.units[index];
        found_.places[index] = {place->unit, unit.caches.size()};
        unit.caches.push_back({name_of(cache, UnitKind::ipmmu), cache.registers.front(), cache.main_number, cache.origin});
    }

    const firmware::DeviceTree& tree_;
    std::uint32_t first_;
    DeviceTreeUnits found_;
};

}  // namespace

DeviceTreeUnits units_of(const firmware::DeviceTree& tree, UnitId first) {
    return Placing(tree, first).take();
}

}  // namespace smmu::survey

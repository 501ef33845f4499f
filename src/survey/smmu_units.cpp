// SPDX-License-Identifier: Apache-2.0
// The SMMUs of an IORT.
#include <fmt/format.h>

#include <algorithm>

#include "survey/draft.hpp"
#include "survey/smmu_nodes.hpp"

namespace smmu::survey {

using topology::Severity;
using topology::UnitKind;

namespace {

// Whether a unit's walks see the processors' caches. A node of a v3 says so or leaves it to the unit's registers.
std::optional<bool> coherent_walks(const firmware::IortNode& node) {
    if (node.kind == firmware::IortKind::smmu_v3 && !node.says_coherent) return std::nullopt;
    return node.says_coherent;
}

}  // namespace

void Draft::add_smmu_units() {
    if (!iort_) return;
    for (std::size_t i = 0; i < iort_->nodes.size(); ++i) {
        const firmware::IortNode& node = iort_->nodes[i];
        const auto kind = kind_of(node);
        if (!kind || join_twin(i, *kind)) continue;
        smmu_units_.emplace(i, UnitId(std::uint32_t(topology_.units.size())));
        topology_.units.push_back({*kind, name_of_unit(node), registers_at(node.base, register_bytes(node)), 0, true, node.origin});
        topology_.units.back().coherent_walks = coherent_walks(node);
    }
}

// Two nodes with one base: if one of the two is wrong, a unit somewhere else is open while its devices are believed to be
// contained here. What is there is taken as one unit, so that it refuses, but nothing is served until the user has said that
// it is right.
bool Draft::join_twin(std::size_t index, UnitKind kind) {
    const firmware::IortNode& node = iort_->nodes[index];
    const auto twin = std::ranges::find_if(smmu_units_, [&](const auto& known) { return topology_.unit(known.second).registers.first == node.base; });
    if (twin == smmu_units_.end()) return false;
    const UnitId id = twin->second;
    smmu_units_.emplace(index, id);
    topology::Unit& unit = topology_.units[raw(id)];
    unit.registers.last = std::max(unit.registers.last, registers_at(node.base, register_bytes(node)).last);
    if (unit.coherent_walks != coherent_walks(node)) unit.coherent_walks = false;
    const bool is_said = std::ranges::find(user_.units, node.base, &config::UnitEntry::base) != user_.units.end();
    finding("iort-smmu-twice", is_said ? Severity::note : Severity::error, node.origin,
            fmt::format("The unit at {:#x} is described here, as {}, and at {}, as {}. If one of the two has a wrong base, another unit "
                        "is open while its devices are believed to be contained. If there is one unit, say so with a unit line for this "
                        "address; else describe units and devices by hand.",
                        node.base.value, topology::name(kind), unit.origin.text, topology::name(unit.kind)));
    return true;
}

}  // namespace smmu::survey

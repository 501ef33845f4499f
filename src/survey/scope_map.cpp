// SPDX-License-Identifier: Apache-2.0
#include "survey/scope_map.hpp"

#include <fmt/format.h>

namespace smmu::survey {

using firmware::DeviceScope;
using firmware::ScopeType;
using topology::PciAddress;
using topology::PciFunction;
using topology::Severity;

std::optional<PciAddress> resolve(const topology::PciTree& tree, std::uint16_t segment,
                                  const DeviceScope& scope) {
    PciAddress at{segment, scope.start_bus, scope.path.front().device, scope.path.front().function};
    for (std::size_t i = 1; i < scope.path.size(); ++i) {
        const PciFunction* bridge = tree.find(at);
        if (bridge == nullptr || !bridge->is_bridge || bridge->secondary == 0) return std::nullopt;
        at = {segment, bridge->secondary, scope.path[i].device, scope.path[i].function};
    }
    return at;
}

ScopeMap::ScopeMap(const topology::PciTree& tree, const firmware::Dmar& dmar,
                   const std::vector<UnitId>& units, std::vector<topology::Finding>& findings)
    : tree_(tree) {
    for (std::size_t i = 0; i < dmar.units.size(); ++i) {
        for (const DeviceScope& scope : dmar.units[i].scopes)
            add_scope(dmar.units[i], scope, units[i], findings);
        add_rest(dmar.units[i], units[i], findings);
    }
}

void ScopeMap::add_scope(const firmware::Drhd& drhd, const DeviceScope& scope, UnitId unit,
                         std::vector<topology::Finding>& findings) {
    // I/O APIC and HPET scopes give the ids of interrupt messages, not of DMA.
    if (scope.type == ScopeType::io_apic || scope.type == ScopeType::hpet) return;
    const auto address = resolve(tree_, drhd.segment, scope);
    const PciFunction* function = address ? tree_.find(*address) : nullptr;
    const bool missing = function == nullptr && scope.type != ScopeType::name_space;
    if (missing && !tree_.functions.empty())
        findings.push_back(
            {"dmar-scope-nothing-there", Severity::note, scope.origin,
             "The scope names a function that does not answer; firmware may have disabled it."});
    if (!address) return;
    const Named named{unit, scope.type == ScopeType::bridge, scope.origin};
    const auto [at, is_new] = named_.emplace(*address, named);
    if (!is_new && at->second.unit != unit)
        findings.push_back(
            {"dmar-scope-twice", Severity::warning, scope.origin,
             fmt::format(
                 "{} is named for two units; the one at {} counts. Say which it is with a use "
                 "clause.",
                 to_string(*address), at->second.origin.text)});
}

void ScopeMap::add_rest(const firmware::Drhd& drhd, UnitId unit,
                        std::vector<topology::Finding>& findings) {
    if (const auto at = rest_.find(drhd.segment); at != rest_.end()) {
        // By the specification the unit that takes the rest is the last of its segment.
        if (drhd.include_all)
            findings.push_back(
                {"dmar-include-all-twice", Severity::error, drhd.origin,
                 fmt::format("Two units take the rest of segment {}; the one at {} counts. If that is "
                             "wrong, say `use` on the line of every device.",
                             drhd.segment, at->second.origin.text)});
        else
            findings.push_back(
                {"dmar-include-all-not-last", Severity::note, drhd.origin,
                 fmt::format("A unit of segment {} stands behind the one that takes the rest.",
                             drhd.segment)});
        return;
    }
    if (drhd.include_all) rest_.emplace(drhd.segment, Match{unit, drhd.origin});
}

std::optional<ScopeMap::Match> ScopeMap::unit_of(const PciAddress& address) const {
    if (const auto at = named_.find(address); at != named_.end())
        return Match{at->second.unit, at->second.origin};
    const PciFunction* bridge = tree_.bridge_of(address.segment, address.bus);
    while (bridge != nullptr) {
        const auto at = named_.find(bridge->address);
        if (at != named_.end() && at->second.with_all_below)
            return Match{at->second.unit, at->second.origin};
        bridge = tree_.bridge_of(bridge->address.segment, bridge->address.bus);
    }
    const auto rest = rest_.find(address.segment);
    return rest != rest_.end() ? std::optional(rest->second) : std::nullopt;
}

}  // namespace smmu::survey

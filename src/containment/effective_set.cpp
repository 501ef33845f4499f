// SPDX-License-Identifier: Apache-2.0
#include "containment/effective_set.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace smmu::containment {
namespace {

// Puts one run of granules in; where something is already, both must lead to the same place.
Result<void> put(GranuleMap& map, IovaRange range, Leaf leaf) {
    std::vector<std::pair<IovaRange, Leaf>> met;
    map.for_each_in(range,
                    [&](IovaRange part, const Leaf& there) { met.emplace_back(part, there); });
    for (const auto& [part, there] : met) {
        const Leaf here = leaf.advanced(part.first - range.first);
        if (here.physical != there.physical)
            return fail(
                EINVAL,
                fmt::format(
                    "one granule at device address {:#x} would lead to two places, {:#x} and "
                    "{:#x}; grant memory that shares a granule with the same distance "
                    "between device address and physical address",
                    part.first.value, there.physical.value, here.physical.value));
    }
    map.assign(range, leaf);
    for (const auto& [part, there] : met) {
        const Leaf here = leaf.advanced(part.first - range.first);
        if (here.access != (here.access | there.access))
            map.assign(part, {here.physical, here.access | there.access});
    }
    return {};
}

// Calls f for every part of `a` inside `window` where `b` holds nothing or something else.
template <class F>
void for_each_difference(const GranuleMap& a, const GranuleMap& b, IovaRange window, F f) {
    a.for_each_in(window, [&](IovaRange part, const Leaf& leaf) {
        Iova cursor = part.first;
        bool ended = false;
        b.for_each_in(part, [&](IovaRange other, const Leaf& other_leaf) {
            if (!(leaf.advanced(other.first - part.first) == other_leaf)) return;
            if (cursor < other.first)
                f(IovaRange{cursor, other.first - 1}, leaf.advanced(cursor - part.first));
            ended = other.last == part.last;
            if (!ended) cursor = other.last + 1;
        });
        if (!ended) f(IovaRange{cursor, part.last}, leaf.advanced(cursor - part.first));
    });
}

// The register is at the beginning of its frame. Where a granule holds more than the frame, it stays closed.
void put_doorbell(GranuleMap& map, const topology::Grant& bell, const units::Capabilities& unit, unsigned granule_log2) {
    const PhysRange granule = PhysRange{bell.range.first, bell.range.first}.rounded_out(granule_log2);
    if (!bell.range.contains(granule)) return;
    const auto done = put(map, IovaRange{{granule.first.value}, {granule.last.value}},
                          {granule.first, expressible(unit, bell.access | Access::registers)});
    SMMU_ASSERT(done);  // identity, like all of these
}

}  // namespace

Windows windows_of(std::vector<IovaRange> ranges, unsigned granule_log2) {
    for (IovaRange& range : ranges) range = range.rounded_out(granule_log2);
    std::ranges::sort(ranges);
    Windows windows;
    for (const IovaRange& range : ranges) {
        // first - 1 is not formed for 0: the first window always starts a new one.
        if (!windows.empty() &&
            (range.first <= windows.back().last || range.first - 1 == windows.back().last))
            windows.back().last = std::max(windows.back().last, range.last);
        else
            windows.push_back(range);
    }
    return windows;
}

Access expressible(const units::Capabilities& unit, Access wanted) {
    if (!unit.execute_permission && permits(wanted, Access::execute))
        wanted = (wanted & ~Access::execute) | Access::read;  // a fetch is a read there
    if (unit.write_implies_read && permits(wanted, Access::write)) wanted |= Access::read;
    if (!unit.register_memory) wanted = wanted & ~Access::registers;
    return wanted;
}

Result<GranuleMap> rounded_out(const Grants& grants, const Windows& windows,
                               unsigned granule_log2) {
    GranuleMap map;
    std::optional<Error> error;
    for (const IovaRange& window : windows) {
        grants.for_each_in(window, [&](IovaRange part, const Grant& grant) {
            if (error) return;
            if (!is_aligned(Iova{part.first.value - grant.physical.value}, granule_log2)) {
                error = Error{
                    EINVAL,
                    fmt::format("device address {:#x} and physical address {:#x} differ within a "
                                "granule of {} bytes; align them alike",
                                part.first.value, grant.physical.value,
                                std::uint64_t{1} << granule_log2)};
                return;
            }
            const Leaf leaf{align_down(grant.physical, granule_log2), grant.access};
            if (auto done = put(map, part.rounded_out(granule_log2), leaf); !done)
                error = done.error();
        });
        if (error) return std::unexpected(*std::move(error));
    }
    return map;
}

GranuleMap always_reachable(std::span<const topology::Grant> grants,
                            const ProtectedSet& protected_memory, const units::Capabilities& unit,
                            unsigned granule_log2) {
    GranuleMap map;
    for (const topology::Grant& grant : grants) {
        if (grant.kind == topology::Grant::Kind::doorbell) continue;
        const PhysRange memory = grant.range.rounded_out(granule_log2);
        const IovaRange range{{memory.first.value}, {memory.last.value}};
        const auto done = put(map, range, {memory.first, expressible(unit, grant.access)});
        SMMU_ASSERT(done);  // identity everywhere: nothing to disagree on
    }
    for (const PhysRange& cut : protected_memory.ranges()) {
        const PhysRange granules = cut.rounded_out(granule_log2);
        map.erase(IovaRange{{granules.first.value}, {granules.last.value}});
    }
    for (const topology::Grant& grant : grants)
        if (grant.kind == topology::Grant::Kind::doorbell) put_doorbell(map, grant, unit, granule_log2);
    if (unit.never_grantable) map.erase(unit.never_grantable->rounded_out(granule_log2));
    const unsigned bits = std::min(unit.input_bits, unit.output_bits);
    if (bits < 64) map.erase(IovaRange{{std::uint64_t{1} << bits}, all_addresses.last});
    return map;
}

Result<void> unite(GranuleMap& opened, const GranuleMap& extras, const Windows& windows) {
    std::optional<Error> error;
    for (const IovaRange& window : windows)
        extras.for_each_in(window, [&](IovaRange part, const Leaf& leaf) {
            if (error) return;
            if (auto done = put(opened, part, leaf); !done) error = done.error();
        });
    if (error) {
        error->text +=
            "; the device needs that memory at its physical address (startup, reserved or "
            "doorbell)";
        return std::unexpected(*std::move(error));
    }
    return {};
}

Difference difference(const GranuleMap& now, const GranuleMap& wanted, const Windows& windows,
                      const units::Capabilities& unit) {
    GranuleMap said;  // as this unit can say it; neighbours that become equal merge
    for (const IovaRange& window : windows)
        wanted.for_each_in(window, [&](IovaRange part, const Leaf& leaf) {
            said.assign(part, {leaf.physical, expressible(unit, leaf.access)});
        });
    Difference result;
    for (const IovaRange& window : windows) {
        for_each_difference(now, said, window, [&](IovaRange part, const Leaf&) {
            auto& removals = result.removals;
            if (!removals.empty() && removals.back().range.last + 1 == part.first)
                removals.back().range.last = part.last;
            else
                removals.push_back({part});
        });
        for_each_difference(said, now, window, [&](IovaRange part, const Leaf& leaf) {
            result.additions.push_back({part, leaf.physical, leaf.access});
        });
    }
    return result;
}

void apply(GranuleMap& now, const Difference& change) {
    for (const paging::Unmap& removal : change.removals) now.erase(removal.range);
    for (const paging::Map& addition : change.additions)
        now.assign(addition.range, {addition.physical, addition.access});
}

}  // namespace smmu::containment

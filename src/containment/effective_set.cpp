// SPDX-License-Identifier: Apache-2.0
#include "containment/effective_set.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace smmu::containment {
namespace {

// Puts granules at their own addresses in; permissions of what is there already are united.
void put_identity(GranuleMap& map, PhysRange memory, Access access) {
    const IovaRange range{{memory.first.value}, {memory.last.value}};
    Runs met;
    map.for_each_in(range, [&](IovaRange part, const Leaf& there) { met.push_back({part, there}); });
    map.assign(range, {memory.first, access});
    for (const Run& there : met) map.assign(there.range, {there.leaf.physical, access | there.leaf.access});
}

void append(Runs& runs, IovaRange range, Leaf leaf) {
    if (!runs.empty()) {
        Run& tail = runs.back();
        if (tail.range.last + 1 == range.first && tail.leaf.advanced(range.first - tail.range.first) == leaf) {
            tail.range.last = range.last;
            return;
        }
    }
    runs.push_back({range, leaf});
}

Error two_places(Iova granule, PhysAddr one, PhysAddr other) {
    return {EINVAL, fmt::format("one granule at device address {:#x} would lead to two places, {:#x} and "
                                "{:#x}; grant memory that shares a granule with the same distance "
                                "between device address and physical address",
                                granule.value, one.value, other.value)};
}

// Appends what begins behind the byte that the tail was rounded out from: they share one granule at most.
Result<void> append_rounded(Runs& runs, IovaRange range, Leaf leaf) {
    if (!runs.empty() && runs.back().range.last >= range.first) {
        const Run tail = runs.back();
        const IovaRange shared{range.first, tail.range.last};
        const Leaf there = tail.leaf.advanced(shared.first - tail.range.first);
        if (there.physical != leaf.physical) return std::unexpected(two_places(shared.first, there.physical, leaf.physical));
        if (tail.range.first < shared.first)
            runs.back().range.last = shared.first - 1;
        else
            runs.pop_back();
        append(runs, shared, {there.physical, there.access | leaf.access});
        if (shared.last >= range.last) return {};
        leaf = leaf.advanced(shared.last + 1 - range.first);
        range.first = shared.last + 1;
    }
    append(runs, range, leaf);
    return {};
}

// Calls visit(range, leaf of a, leaf of b) for what is in one or both, ascending, cut where either begins or
// ends. Leaves are those of the range's first granule.
template <class Visit>
void sweep(std::span<const Run> a, std::span<const Run> b, Visit visit) {
    Iova from{0};  // all below was visited
    while (!a.empty() || !b.empty()) {
        const auto start_of = [&](std::span<const Run> runs) {
            return runs.empty() ? all_addresses.last : std::max(from, runs.front().range.first);
        };
        IovaRange part{std::min(start_of(a), start_of(b)), all_addresses.last};
        const auto leaf_of = [&](std::span<const Run> runs) -> std::optional<Leaf> {
            if (runs.empty()) return std::nullopt;
            const Run& run = runs.front();
            const bool inside = run.range.first <= part.first;
            part.last = std::min(part.last, inside ? run.range.last : run.range.first - 1);
            if (!inside) return std::nullopt;
            return run.leaf.advanced(part.first - run.range.first);
        };
        const auto in_a = leaf_of(a), in_b = leaf_of(b);
        visit(part, in_a, in_b);
        if (!a.empty() && a.front().range.last == part.last) a = a.subspan(1);
        if (!b.empty() && b.front().range.last == part.last) b = b.subspan(1);
        from = part.last + 1;  // wraps at the top, where nothing is left
    }
}

// The register is at the beginning of its frame. Where a granule holds more than the frame, it stays closed.
void put_doorbell(GranuleMap& map, const topology::Grant& bell, const units::Capabilities& unit, unsigned granule_log2) {
    const PhysRange granule = PhysRange{bell.range.first, bell.range.first}.rounded_out(granule_log2);
    if (!bell.range.contains(granule)) return;
    put_identity(map, granule, expressible(unit, bell.access | Access::registers));
}

}  // namespace

Windows windows_of(ShortList<IovaRange, 2> ranges, unsigned granule_log2) {
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

Result<Runs> rounded_out(const Grants& grants, const Windows& windows, unsigned granule_log2) {
    Runs runs;
    Result<void> result;
    for (const IovaRange& window : windows)
        grants.for_each_in(window, [&](IovaRange part, const Grant& grant) {
            if (!result) return;
            if (!is_aligned(Iova{part.first.value - grant.physical().value}, granule_log2))
                result = fail(EINVAL, fmt::format("device address {:#x} and physical address {:#x} differ within a "
                                                  "granule of {} bytes; align them alike",
                                                  part.first.value, grant.physical().value,
                                                  std::uint64_t{1} << granule_log2));
            else
                result = append_rounded(runs, part.rounded_out(granule_log2),
                                        {align_down(grant.physical(), granule_log2), grant.access()});
        });
    if (!result) return pass_on(std::move(result));
    return runs;
}

std::uint64_t bytes_opened(const Grants& grants, unsigned granule_log2) {
    std::uint64_t bytes = 0;
    std::optional<Iova> counted;  // the last byte that was
    for (const auto& piece : grants) {
        IovaRange opened = piece.range.rounded_out(granule_log2);
        if (counted && *counted >= opened.last) continue;
        if (counted && *counted >= opened.first) opened.first = *counted + 1;
        bytes += opened.length();
        counted = opened.last;
    }
    return bytes;
}

GranuleMap always_reachable(std::span<const topology::Grant> grants,
                            const ProtectedSet& protected_memory, const units::Capabilities& unit,
                            unsigned granule_log2) {
    GranuleMap map;
    for (const topology::Grant& grant : grants) {
        if (grant.kind == topology::Grant::Kind::doorbell) continue;
        put_identity(map, grant.range.rounded_out(granule_log2), expressible(unit, grant.access));
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

Runs runs_in(const GranuleMap& map, const Windows& windows) {
    Runs runs;
    for (const IovaRange& window : windows)
        map.for_each_in(window, [&](IovaRange part, const Leaf& leaf) { append(runs, part, leaf); });
    return runs;
}

Result<Runs> effective_set(const Runs& opened, const Runs& extras, const units::Capabilities& unit) {
    Runs runs;
    runs.reserve(opened.size() + extras.size());
    std::optional<Error> error;
    sweep(opened, extras, [&](IovaRange part, const std::optional<Leaf>& granted, const std::optional<Leaf>& extra) {
        if (granted && extra && granted->physical != extra->physical && !error)
            error = two_places(part.first, granted->physical, extra->physical);
        Leaf leaf = granted ? *granted : *extra;
        if (extra) leaf.access |= extra->access;
        append(runs, part, {leaf.physical, expressible(unit, leaf.access)});
    });
    if (!error) return runs;
    error->text += "; the device needs that memory at its physical address (startup, reserved or doorbell)";
    return std::unexpected(*std::move(error));
}

Runs without(const Runs& runs, const GranuleSet& left_out) {
    Runs result;
    for (const Run& run : runs)
        left_out.for_each_gap_in(run.range, [&](IovaRange part) {
            append(result, part, run.leaf.advanced(part.first - run.range.first));
        });
    return result;
}

Windows vanished(const Runs& before, const Runs& after) {
    Windows result;
    sweep(before, after, [&](IovaRange part, const std::optional<Leaf>&, const std::optional<Leaf>& stays) {
        if (!stays) result.push_back(part);
    });
    return result;
}

Difference difference(const Runs& now, const Runs& wanted) {
    Difference result;
    Runs additions;
    sweep(now, wanted, [&](IovaRange part, const std::optional<Leaf>& there, const std::optional<Leaf>& asked) {
        if (there == asked) return;
        auto& removals = result.removals;
        if (there && !removals.empty() && removals.back().range.last + 1 == part.first)
            removals.back().range.last = part.last;
        else if (there)
            removals.push_back({part});
        if (asked) append(additions, part, *asked);
    });
    result.additions.reserve(additions.size());
    for (const Run& run : additions) result.additions.push_back({run.range, run.leaf.physical, run.leaf.access});
    return result;
}

}  // namespace smmu::containment

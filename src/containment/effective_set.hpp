// SPDX-License-Identifier: Apache-2.0
// Effective set: what a space opens, in whole granules: grants rounded out, united with what the
// group must always reach. Pure functions from values to values; no hardware is asked anything
// here.
#pragma once

#include <span>
#include <variant>

#include "base/result.hpp"
#include "base/short_list.hpp"
#include "containment/grants.hpp"
#include "containment/protected_set.hpp"
#include "topology/topology.hpp"
#include "units/unit.hpp"

namespace smmu::containment {

// What one granule of device addresses reaches.
struct Leaf {
    PhysAddr physical;
    Access access = Access::none;

    Leaf advanced(std::uint64_t bytes) const { return {physical + bytes, access}; }
    friend bool operator==(const Leaf&, const Leaf&) = default;
};

using GranuleMap = IntervalMap<Iova, Leaf>;

// Consecutive granules and where the first of them leads.
struct Run {
    IovaRange range;
    Leaf leaf;
    friend bool operator==(const Run&, const Run&) = default;
};
// Ascending and disjoint; runs that continue one another are one.
using Runs = ShortList<Run, 2>;

// Ranges of device addresses, whole granules, ascending and disjoint: where a change may make a
// difference.
using Windows = ShortList<IovaRange, 2>;

inline constexpr IovaRange all_addresses{{0}, {~std::uint64_t{0}}};

// Rounds ranges out to granules, sorts them and joins those that touch.
Windows windows_of(ShortList<IovaRange, 2> ranges, unsigned granule_log2);

// The permissions that a unit can say and that hold at least `wanted`.
Access expressible(const units::Capabilities& unit, Access wanted);

// The grants inside the windows, rounded out; permissions of one granule are united. EINVAL when a
// granule would reach two places, or when address and target disagree modulo the granule.
Result<Runs> rounded_out(const Grants& grants, const Windows& windows, unsigned granule_log2);

// How many bytes grants open when they are rounded out.
std::uint64_t bytes_opened(const Grants& grants, unsigned granule_log2);

// What devices of one group may always reach, rounded out, without the granules that hold protected
// memory or that this unit cannot reach. Of a doorbell one granule, where that holds nothing else: it
// is protected from everybody but those that it was given to.
GranuleMap always_reachable(std::span<const topology::Grant> grants,
                            const ProtectedSet& protected_memory, const units::Capabilities& unit,
                            unsigned granule_log2);

// The part of `map` inside the windows.
Runs runs_in(const GranuleMap& map, const Windows& windows);

// `opened` and `extras` together, as `unit` can say it: EINVAL when they disagree on where a granule leads.
Result<Runs> effective_set(const Runs& opened, const Runs& extras, const units::Capabilities& unit);

// Granules, whatever they lead to.
using GranuleSet = IntervalMap<Iova, std::monostate>;
Runs without(const Runs& runs, const GranuleSet& left_out);

// The parts of `before` in which nothing is in `after`, ascending.
Windows vanished(const Runs& before, const Runs& after);

// What must be asked of a space that holds `now` so that it holds `wanted`. What is the same in both is not
// touched. Removals ascending, then additions ascending.
struct Difference {
    ShortList<paging::Unmap, 2> removals;
    ShortList<paging::Map, 2> additions;
    bool empty() const { return removals.empty() && additions.empty(); }
};
Difference difference(const Runs& now, const Runs& wanted);

}  // namespace smmu::containment

// SPDX-License-Identifier: Apache-2.0
#include "containment/protected_set.hpp"

#include <algorithm>
#include <tuple>

namespace smmu::containment {

void ProtectedSet::add(PhysRange range, std::string what) {
    parts_.push_back({range, std::move(what)});
}

void ProtectedSet::seal() {
    // By the whole range and then the words, so that the order does not depend on who was added first.
    std::ranges::sort(parts_, {}, [](const Part& part) { return std::tie(part.range, part.what); });
    ranges_.clear();
    highest_so_far_.clear();
    PhysAddr highest{};
    for (const Part& part : parts_) {
        ranges_.push_back(part.range);
        highest = std::max(highest, part.range.last);
        highest_so_far_.push_back(highest);
    }
}

const std::string* ProtectedSet::met_by(PhysRange range) const {
    // The last part that starts at or below the end of `range`; going down stops where none can
    // reach up to it.
    const auto end = std::ranges::upper_bound(ranges_, range.last, {}, &PhysRange::first);
    for (auto i = static_cast<std::size_t>(end - ranges_.begin()); i > 0; --i) {
        if (highest_so_far_[i - 1] < range.first) return nullptr;
        if (ranges_[i - 1].overlaps(range)) return &parts_[i - 1].what;
    }
    return nullptr;
}

}  // namespace smmu::containment

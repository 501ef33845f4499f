// SPDX-License-Identifier: Apache-2.0
// ProtectedSet: physical memory that no mapping may reach, as seen by one client: it may reach the
// registers of its own devices, others may not. Sorted, so that a question costs a binary search.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/range.hpp"

namespace smmu::containment {

class ProtectedSet {
public:
    void add(PhysRange range, std::string what);
    // Must be called after the last add() and before the first question.
    void seal();

    // What `range` meets, for a message; nothing when it meets nothing.
    const std::string* met_by(PhysRange range) const;
    const std::vector<PhysRange>& ranges() const { return ranges_; }

private:
    struct Part {
        PhysRange range;
        std::string what;
    };
    std::vector<Part> parts_;
    std::vector<PhysRange> ranges_;         // sorted by first; may overlap
    std::vector<PhysAddr> highest_so_far_;  // the largest last among ranges_[0..i]
};

}  // namespace smmu::containment

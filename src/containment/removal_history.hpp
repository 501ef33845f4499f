// SPDX-License-Identifier: Apache-2.0
// RemovalHistory: the last removals of one object, so that a late access can be told from one that
// was never allowed. It ends with its object: afterwards the device has no owner, and that is the
// cause.
#pragma once

#include <deque>
#include <optional>

#include "base/clock.hpp"
#include "base/range.hpp"

namespace smmu::containment {

class RemovalHistory {
public:
    static constexpr std::size_t kept = 1024;

    void add(IovaRange range, Instant when) {
        if (removals_.size() == kept) removals_.pop_front();
        removals_.push_back({range, when});
    }
    // When `address` was last removed.
    std::optional<Instant> last_removal(Iova address) const {
        for (auto it = removals_.rbegin(); it != removals_.rend(); ++it)
            if (it->range.contains(address)) return it->when;
        return std::nullopt;
    }

private:
    struct Removal {
        IovaRange range;
        Instant when;
    };
    std::deque<Removal> removals_;
};

}  // namespace smmu::containment

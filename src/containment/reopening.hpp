// SPDX-License-Identifier: Apache-2.0
// Reopening: how much of what lack of tables had closed is tried at a time. Half of it after each failure, since a little may
// fit where all does not; and when not even one range does, after pauses that double, since others have the tables.
#pragma once

#include <algorithm>
#include <cstddef>

namespace smmu::containment {

class Reopening {
public:
    static constexpr std::size_t most_ranges = 1024;
    static constexpr unsigned longest_pause = 255;  // turns

    // Ranges to try in this turn; 0: none.
    std::size_t turn() {
        if (waiting_ == 0) return ranges_;
        --waiting_;
        return 0;
    }
    void opened() {
        ranges_ = std::min(2 * ranges_, most_ranges);
        pause_ = 0;
    }
    void failed() {
        if (ranges_ == 1) waiting_ = pause_ = std::min(2 * pause_ + 1, longest_pause);
        ranges_ = std::max<std::size_t>(ranges_ / 2, 1);
    }

private:
    std::size_t ranges_ = most_ranges;
    unsigned pause_ = 0, waiting_ = 0;
};

}  // namespace smmu::containment

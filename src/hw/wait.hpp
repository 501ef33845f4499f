// SPDX-License-Identifier: Apache-2.0
// Bounded waits on hardware. Most conditions are true after a few looks, so a wait looks a little
// without letting go of the processor and pauses longer and longer after that. No wait is without a
// deadline.
#pragma once

#include <algorithm>
#include <concepts>

#include "base/clock.hpp"

namespace smmu::hw {

class Deadline {
public:
    Deadline(Clock& clock, Nanoseconds limit) : clock_(&clock), end_(clock.now() + limit) {}

    bool passed() const noexcept { return clock_->now() >= end_; }
    Clock& clock() const noexcept { return *clock_; }

private:
    Clock* clock_;
    Instant end_;
};

inline constexpr int looks_without_pause = 64;
inline constexpr Nanoseconds first_pause{1'000};
inline constexpr Nanoseconds longest_pause{100'000};

// True as soon as `condition()` is; false when it was not by the deadline. It is looked at once
// more after the deadline, so that a long pause of this process is not taken for a failure of the
// hardware.
template <std::predicate Condition>
bool wait_until(const Deadline& deadline, Condition&& condition) {
    for (int looks = 0; looks < looks_without_pause; ++looks)
        if (condition()) return true;
    for (Nanoseconds pause = first_pause; !deadline.passed();
         pause = std::min(2 * pause, longest_pause)) {
        if (condition()) return true;
        deadline.clock().pause(pause);
    }
    return condition();
}

}  // namespace smmu::hw

// SPDX-License-Identifier: Apache-2.0
// Clock: time as a parameter, so that waits and logs run under a test's own time.
#pragma once

#include <chrono>

namespace smmu {

using Nanoseconds = std::chrono::nanoseconds;
using Instant = std::chrono::time_point<std::chrono::steady_clock, Nanoseconds>;

class Clock {
public:
    virtual ~Clock() = default;
    virtual Instant now() noexcept = 0;           // never goes back
    virtual void pause(Nanoseconds) noexcept = 0;  // lets at least so much time pass
};

// The machine's monotonic clock.
class SteadyClock final : public Clock {
public:
    Instant now() noexcept override;
    void pause(Nanoseconds) noexcept override;
};

}  // namespace smmu

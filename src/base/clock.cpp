// SPDX-License-Identifier: Apache-2.0
#include "base/clock.hpp"

#include <time.h>

namespace smmu {

Instant SteadyClock::now() noexcept { return std::chrono::steady_clock::now(); }

void SteadyClock::pause(Nanoseconds duration) noexcept {
    timespec left{.tv_sec = static_cast<time_t>(duration.count() / 1'000'000'000),
                  .tv_nsec = static_cast<long>(duration.count() % 1'000'000'000)};
    while (nanosleep(&left, &left) != 0) {}
}

}  // namespace smmu

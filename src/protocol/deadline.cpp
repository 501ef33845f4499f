// SPDX-License-Identifier: Apache-2.0
#include "protocol/deadline.hpp"

#include <poll.h>
#include <time.h>

#include <algorithm>

namespace smmu::protocol {
namespace {

std::chrono::nanoseconds now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

}  // namespace

Deadline Deadline::after(std::chrono::milliseconds time) {
    return Deadline(now() + time);
}

int Deadline::milliseconds_left() const {
    const std::chrono::nanoseconds time = now();
    if (end_ <= time) return 0;
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(end_ - time).count();
    return int(std::min<long long>(left, 1 << 30));
}

bool wait_for(int fd, short events, const Deadline& deadline) {
    while (true) {
        pollfd waited{fd, events, 0};
        const int left = deadline.milliseconds_left();
        const int found = poll(&waited, 1, left);
        if (found > 0) return true;
        if (found == 0 && left == 0) return false;
    }
}

}  // namespace smmu::protocol

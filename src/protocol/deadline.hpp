// SPDX-License-Identifier: Apache-2.0
// Deadline: until when to wait, on the machine's monotonic clock.
#pragma once

#include <chrono>

namespace smmu::protocol {

class Deadline {
public:
    // So much time from now; 0: not at all.
    static Deadline after(std::chrono::milliseconds time);
    // One that has passed: waits for nothing.
    static constexpr Deadline passed() { return Deadline(std::chrono::nanoseconds::min()); }
    // What is left, for poll(); 0 when it has passed. Rounded up, so that waiting it out is enough.
    int milliseconds_left() const;

private:
    constexpr explicit Deadline(std::chrono::nanoseconds end) : end_(end) {}
    std::chrono::nanoseconds end_;
};

// Waits until poll() reports `events`, an error or the other end's closing. False: the deadline has
// passed.
bool wait_for(int fd, short events, const Deadline& deadline);

}  // namespace smmu::protocol

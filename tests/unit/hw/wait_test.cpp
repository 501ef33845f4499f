// SPDX-License-Identifier: Apache-2.0
// Waits end, and 16-byte entries are never seen half.
#include "hw/wait.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "hw/entry16.hpp"

namespace {

using namespace smmu;

class OwnTime final : public Clock {
public:
    Instant now() noexcept override { return Instant(time_ += Nanoseconds(10)); }
    void pause(Nanoseconds length) noexcept override {
        time_ += length;
        longest = std::max(longest, length);
        ++pauses;
    }
    Nanoseconds longest{};
    int pauses = 0;

private:
    Nanoseconds time_{};
};

TEST(Wait, DoesNotPauseForWhatIsSoonTrue) {
    OwnTime clock;
    int looks = 0;
    EXPECT_TRUE(hw::wait_until({clock, Nanoseconds(1'000'000)}, [&] { return ++looks == 60; }));
    EXPECT_EQ(clock.pauses, 0);
}

TEST(Wait, EndsAtTheDeadlineWithBoundedPauses) {
    OwnTime clock;
    const Instant begun = clock.now();
    EXPECT_FALSE(hw::wait_until({clock, Nanoseconds(1'000'000'000)}, [] { return false; }));
    EXPECT_GE(clock.now() - begun, Nanoseconds(1'000'000'000));
    EXPECT_LT(clock.now() - begun, Nanoseconds(1'010'000'000));
    EXPECT_EQ(clock.longest, hw::longest_pause);
}

TEST(Wait, LooksOnceMoreAfterTheDeadline) {
    OwnTime clock;
    const hw::Deadline deadline(clock, Nanoseconds(1'000));
    clock.pause(Nanoseconds(1'000'000));
    int looks = 0;
    EXPECT_TRUE(hw::wait_until(deadline, [&] { return ++looks > hw::looks_without_pause; }));
}

TEST(Entry16, StoreAndLoadAreWhole) {
    alignas(16) std::uint64_t slot[2] = {1, 2};
    hw::store(slot, {3, 4});
    EXPECT_EQ(slot[0], 3u);
    EXPECT_EQ(slot[1], 4u);
    EXPECT_EQ(hw::load(slot), (hw::Entry16{3, 4}));
}

TEST(Entry16, NobodySeesHalfAnEntry) {
    alignas(16) std::uint64_t slot[2] = {0, 0};
    std::atomic<bool> ended{false};
    int torn = 0;
    std::thread reader([&] {
        while (!ended.load()) {
            const hw::Entry16 seen = hw::load(slot);
            if (seen.low != seen.high) ++torn;
        }
    });
    for (std::uint64_t i = 1; i <= 20'000; ++i) hw::store(slot, {i, i});
    ended = true;
    reader.join();
    EXPECT_EQ(torn, 0);
}

TEST(Entry16DeathTest, MisalignedSlotIsAnInternalError) {
    alignas(16) std::uint64_t slot[4] = {};
    EXPECT_DEATH(hw::store(slot + 1, {1, 2}), "");
}

}  // namespace

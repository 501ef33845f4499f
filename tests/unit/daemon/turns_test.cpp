// SPDX-License-Identifier: Apache-2.0
// A source that is always due lets the others have their turns.
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/unique_fd.hpp"
#include "daemon/event_source.hpp"

namespace smmu::daemon {
namespace {

int count(sd_event_source*, int, std::uint32_t, void* counter) {
    ++*static_cast<int*>(counter);
    return 0;
}

class Turns : public testing::Test {
protected:
    void SetUp() override {
        sd_event* made = nullptr;
        ASSERT_GE(sd_event_new(&made), 0);
        loop.reset(made);
        always = always_due(loop.get(), count, &always_turns);
        ASSERT_TRUE(always);
        sd_event_source* source = nullptr;
        ASSERT_GE(sd_event_add_io(loop.get(), &source, readable.get(), EPOLLIN, count, &other_turns), 0);
        other.reset(source);
    }
    void enable(int how) { ASSERT_GE(sd_event_source_set_enabled(always.get(), how), 0); }
    void run(int turns) {
        for (int i = 0; i < turns; ++i) ASSERT_GT(sd_event_run(loop.get(), 0), 0);
    }
    UniqueFd readable{eventfd(1, EFD_CLOEXEC)};  // as clients' packets that keep coming
    EventLoop loop;
    EventSource always, other;
    int always_turns = 0, other_turns = 0;
};

TEST_F(Turns, AreTakenWithSourcesOfTheSamePriority) {
    enable(SD_EVENT_ON);
    run(100);
    EXPECT_GE(always_turns, 49);
    EXPECT_GE(other_turns, 49);
}

TEST_F(Turns, AreNotTakenWhileDisabled) {
    run(10);
    enable(SD_EVENT_ON);
    run(10);
    enable(SD_EVENT_OFF);
    const int before = always_turns;
    EXPECT_GT(before, 0);
    run(10);
    EXPECT_EQ(always_turns, before);
}

TEST_F(Turns, ComeAfterWhatIsMoreUrgent) {
    enable(SD_EVENT_ON);
    ASSERT_GE(sd_event_source_set_priority(other.get(), process_ended), 0);
    run(10);
    EXPECT_EQ(always_turns, 0);
}

}  // namespace
}  // namespace smmu::daemon

// SPDX-License-Identifier: Apache-2.0
// Doorbells: the service rings without ever waiting, whatever the client did to the descriptor.
#include "protocol/doorbell.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <mqueue.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/deadline.hpp"

namespace smmu::protocol {
namespace {

const Deadline now = Deadline::after(std::chrono::milliseconds(0));

UniqueFd make_queue() {
    mq_attr attributes{};
    attributes.mq_maxmsg = 1;
    attributes.mq_msgsize = 1;
    const std::string name = "/smmu-doorbell-test-" + std::to_string(getpid());
    UniqueFd queue(mq_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600, &attributes));
    mq_unlink(name.c_str());
    return queue;
}

TEST(Notification, FullBlockingQueueDoesNotHoldTheService) {
    const UniqueFd queue = make_queue();
    ASSERT_TRUE(queue);
    ASSERT_TRUE(check_notification(queue.get()));
    for (int i = 0; i < 3; ++i) fire_notification(queue.get());
    mq_attr attributes{};
    ASSERT_EQ(mq_getattr(queue.get(), &attributes), 0);
    EXPECT_EQ(attributes.mq_curmsgs, 1);
}

TEST(Notification, OtherDescriptorsAreRefused) {
    const UniqueFd event(eventfd(0, EFD_CLOEXEC));
    EXPECT_EQ(check_notification(event.get()).error().code, EINVAL);
    EXPECT_EQ(check_notification(-1).error().code, EINVAL);
    fire_notification(event.get());
}

TEST(Notification, FirstMessageDecides) {
    const UniqueFd queue = make_queue();
    ASSERT_TRUE(queue);
    fire_notification(queue.get());
    call_off_notification(queue.get());
    EXPECT_TRUE(wait_for_notification(queue.get()));
    call_off_notification(queue.get());
    fire_notification(queue.get());
    EXPECT_FALSE(wait_for_notification(queue.get()));
    EXPECT_FALSE(wait_for_notification(-1));
}

TEST(WakeChannel, RingsUntilQuiet) {
    auto channel = make_wake_channel();
    ASSERT_TRUE(channel);
    ASSERT_TRUE(check_wake_channel(channel->theirs.get()));
    EXPECT_FALSE(wait_for(channel->ours.get(), POLLIN, now));
    for (int i = 0; i < 10'000; ++i) ring_wake_channel(channel->theirs.get());
    EXPECT_TRUE(wait_for(channel->ours.get(), POLLIN, now));
    quiet_wake_channel(channel->ours.get());
    EXPECT_FALSE(wait_for(channel->ours.get(), POLLIN, now));
    ring_wake_channel(channel->theirs.get());
    EXPECT_TRUE(wait_for(channel->ours.get(), POLLIN, now));
}

TEST(WakeChannel, TellsWhenTheServiceIsGone) {
    auto channel = make_wake_channel();
    ASSERT_TRUE(channel);
    channel->theirs.reset();
    EXPECT_TRUE(wait_for(channel->ours.get(), POLLIN, now));
    quiet_wake_channel(channel->ours.get());
}

TEST(WakeChannel, OtherDescriptorsAreRefused) {
    const UniqueFd event(eventfd(0, EFD_CLOEXEC));
    EXPECT_EQ(check_wake_channel(event.get()).error().code, EINVAL);
    const UniqueFd internet(socket(AF_INET, SOCK_STREAM, 0));
    EXPECT_EQ(check_wake_channel(internet.get()).error().code, EINVAL);
    const UniqueFd stream(socket(AF_UNIX, SOCK_STREAM, 0));
    EXPECT_EQ(check_wake_channel(stream.get()).error().code, EINVAL);
    auto gone = make_wake_channel();
    gone->ours.reset();
    ring_wake_channel(gone->theirs.get());  // no SIGPIPE
}

}  // namespace
}  // namespace smmu::protocol

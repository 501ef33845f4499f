// SPDX-License-Identifier: Apache-2.0
// smmu_xfer_notify: notifications of each kind, once, replaced, cancelled and left behind.
#include <gmock/gmock.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <smmu_ext.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <filesystem>

#include "events.hpp"

namespace smmu::client {
namespace {

using protocol::Opcode;
using testing::Eq;

volatile sig_atomic_t signalled = 0;
void on_signal(int, siginfo_t* information, void*) {
    signalled = information->si_value.sival_int;
}

// Waits at most two seconds for a signal with this value.
bool signalled_with(int value) {
    for (int i = 0; i < 400 && signalled != value; ++i) poll(nullptr, 0, 5);
    return signalled == value;
}

class Notifications : public Events {
protected:
    void SetUp() override {
        Events::SetUp();
        struct sigaction action{};
        action.sa_sigaction = on_signal;
        action.sa_flags = SA_SIGINFO | SA_RESTART;
        ASSERT_EQ(sigaction(SIGUSR1, &action, nullptr), 0);
        signalled = 0;
    }
    static sigevent signal_with(int value) {
        sigevent event{};
        event.sigev_notify = SIGEV_SIGNAL;
        event.sigev_signo = SIGUSR1;
        event.sigev_value.sival_int = value;
        return event;
    }
};

TEST_F(Notifications, SignalComesOnceUntilArmedAgain) {
    const sigevent first = signal_with(11), second = signal_with(12);
    ASSERT_EQ(smmu_xfer_notify(&first), 0);
    EXPECT_EQ(signalled, 0);
    service.refuse_access(record(1));
    EXPECT_TRUE(signalled_with(11));
    signalled = 0;
    service.refuse_access(record(2));
    poll(nullptr, 0, 30);
    EXPECT_EQ(signalled, 0);
    ASSERT_EQ(smmu_xfer_notify(&second), 0) << "records wait: at once";
    EXPECT_TRUE(signalled_with(12));
}

TEST_F(Notifications, LaterOneReplacesAndNullCancels) {
    const sigevent first = signal_with(21), second = signal_with(22);
    ASSERT_EQ(smmu_xfer_notify(&first), 0);
    ASSERT_EQ(smmu_xfer_notify(&second), 0);
    service.refuse_access(record(1));
    EXPECT_TRUE(signalled_with(22));
    smmu_status status{};
    ASSERT_EQ(smmu_xfer_status(&status), 1);
    signalled = 0;
    ASSERT_EQ(smmu_xfer_notify(&first), 0);
    ASSERT_EQ(smmu_xfer_notify(nullptr), 0);
    ASSERT_EQ(smmu_xfer_notify(nullptr), 0);
    service.refuse_access(record(2));
    poll(nullptr, 0, 30);
    EXPECT_EQ(signalled, 0);
}

sem_t thread_ran;
void* thread_value = nullptr;
sigset_t thread_signals;
std::atomic<int> thread_runs{0};
void on_thread(sigval value) {
    thread_value = value.sival_ptr;
    pthread_sigmask(SIG_BLOCK, nullptr, &thread_signals);
    ++thread_runs;
    sem_post(&thread_ran);
}

class ThreadNotifications : public Notifications {
protected:
    void SetUp() override {
        Notifications::SetUp();
        ASSERT_EQ(sem_init(&thread_ran, 0, 0), 0);
        thread_runs = 0;
    }
    static sigevent thread_with(void* value) {
        sigevent event{};
        event.sigev_notify = SIGEV_THREAD;
        event.sigev_notify_function = on_thread;
        event.sigev_value.sival_ptr = value;
        return event;
    }
    static bool ran() {
        timespec limit{};
        clock_gettime(CLOCK_REALTIME, &limit);
        limit.tv_sec += 5;
        return sem_timedwait(&thread_ran, &limit) == 0;
    }
    static std::size_t threads() {
        const std::filesystem::directory_iterator tasks("/proc/self/task");
        return std::size_t(std::distance(begin(tasks), end(tasks)));
    }
    // Threads that were called off end soon.
    static bool threads_become(std::size_t count) {
        for (int i = 0; i < 1000 && threads() != count; ++i) poll(nullptr, 0, 5);
        return threads() == count;
    }
    int token = 0, other = 0;
};

TEST_F(ThreadNotifications, RunsOnceWithItsValueAndNoSignals) {
    const sigevent event = thread_with(&token);
    ASSERT_EQ(smmu_xfer_notify(&event), 0);
    service.refuse_access(record(1));
    ASSERT_TRUE(ran());
    EXPECT_EQ(thread_value, &token);
    EXPECT_EQ(sigismember(&thread_signals, SIGUSR1), 1);
    sigset_t own;
    pthread_sigmask(SIG_BLOCK, nullptr, &own);
    EXPECT_EQ(sigismember(&own, SIGUSR1), 0);
    service.refuse_access(record(2));
    poll(nullptr, 0, 30);
    EXPECT_EQ(thread_runs, 1);
    ASSERT_EQ(smmu_xfer_notify(&event), 0) << "records wait: at once";
    EXPECT_TRUE(ran());
}

TEST_F(ThreadNotifications, HasTheAttributesAskedFor) {
    alignas(4096) static std::array<std::byte, 1 << 20> stack;
    static std::atomic<bool> on_it;
    on_it = false;
    pthread_attr_t attributes;
    ASSERT_EQ(pthread_attr_init(&attributes), 0);
    ASSERT_EQ(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED), 0);
    ASSERT_EQ(pthread_attr_setstack(&attributes, stack.data(), stack.size()), 0);
    sigevent event = thread_with(nullptr);
    event.sigev_notify_attributes = &attributes;
    event.sigev_notify_function = [](sigval) {
        pthread_attr_t own;
        void* start = nullptr;
        std::size_t bytes = 0;
        if (pthread_getattr_np(pthread_self(), &own) == 0) {
            pthread_attr_getstack(&own, &start, &bytes);
            pthread_attr_destroy(&own);
        }
        on_it = start == stack.data();
        sem_post(&thread_ran);
    };
    const std::size_t before = threads();
    ASSERT_EQ(smmu_xfer_notify(&event), 0);
    ASSERT_EQ(pthread_attr_destroy(&attributes), 0);
    service.refuse_access(record(1));
    ASSERT_TRUE(ran());
    EXPECT_TRUE(on_it);
    EXPECT_TRUE(threads_become(before)) << "the stack is in use";
}

TEST_F(ThreadNotifications, ReplacedCancelledAndLeftBehindOnesEnd) {
    const std::size_t before = threads();
    const sigevent first = thread_with(&other), last = thread_with(&token);
    for (int i = 0; i < 20; ++i) ASSERT_EQ(smmu_xfer_notify(&first), 0);
    ASSERT_EQ(smmu_xfer_notify(&last), 0);
    EXPECT_TRUE(threads_become(before + 1));
    service.refuse_access(record(1));
    ASSERT_TRUE(ran());
    EXPECT_EQ(thread_value, &token);
    EXPECT_TRUE(threads_become(before));
    smmu_status status{};
    ASSERT_EQ(smmu_xfer_status(&status), 1);

    ASSERT_EQ(smmu_xfer_notify(&first), 0);
    ASSERT_EQ(smmu_xfer_notify(nullptr), 0);
    EXPECT_TRUE(threads_become(before));
    service.refuse_access(record(2));
    ASSERT_EQ(smmu_xfer_status(&status), 1);

    ASSERT_EQ(smmu_xfer_notify(&first), 0);
    smmu_fini();
    EXPECT_TRUE(threads_become(before));
    EXPECT_EQ(thread_runs, 1);
}

TEST_F(ThreadNotifications, ForkedChildLeavesItToItsParent) {
    const sigevent event = thread_with(&token);
    ASSERT_EQ(smmu_xfer_notify(&event), 0);
    const pid_t child = fork();
    if (child == 0) {
        smmu_status status{};
        const bool alone = smmu_xfer_status(&status) == -1 && errno == ENOTCONN;
        smmu_fini();
        _exit(alone ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    service.refuse_access(record(1));
    EXPECT_TRUE(ran());
    EXPECT_EQ(thread_value, &token);
}

TEST_F(ThreadNotifications, NeedsAFunction) {
    sigevent event = thread_with(nullptr);
    event.sigev_notify_function = nullptr;
    EXPECT_THAT(failure([&] { return smmu_xfer_notify(&event); }), Eq(EINVAL));
}

TEST_F(Notifications, NoneOnlyStartsTheRecords) {
    sigevent event{};
    event.sigev_notify = SIGEV_NONE;
    ASSERT_EQ(smmu_xfer_notify(&event), 0);
    service.refuse_access(record(1));
    smmu_status status{};
    EXPECT_EQ(smmu_xfer_status(&status), 1);
}

TEST_F(Notifications, OtherKindsAreEinval) {
    sigevent event = signal_with(1);
    event.sigev_notify = SIGEV_THREAD_ID;
    EXPECT_THAT(failure([&] { return smmu_xfer_notify(&event); }), Eq(EINVAL));
    event = signal_with(1);
    event.sigev_signo = 9999;
    EXPECT_THAT(failure([&] { return smmu_xfer_notify(&event); }), Eq(EINVAL));
}

TEST_F(Notifications, RefusedOneLeavesTheEarlierInForce) {
    const sigevent first = signal_with(31), second = signal_with(32);
    ASSERT_EQ(smmu_xfer_notify(&first), 0);
    service.on(Opcode::notify, [](Received&) { return Answer::refusal(ENOMEM, "no memory"); });
    EXPECT_THAT(failure([&] { return smmu_xfer_notify(&second); }), Eq(ENOMEM));
    service.refuse_access(record(1));
    EXPECT_TRUE(signalled_with(31));
}

}  // namespace
}  // namespace smmu::client

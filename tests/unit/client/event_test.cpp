// SPDX-License-Identifier: Apache-2.0
// Records of refused accesses, notifications of each kind, and the descriptor that must not lose a
// wake-up.
#include <gmock/gmock.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <smmu_ext.h>

#include <cstring>
#include <random>

#include "client/session.hpp"
#include "fake_service.hpp"

namespace smmu::client {
namespace {

using protocol::DeviceKind;
using protocol::EventRecord;
using protocol::Opcode;
using testing::Eq;

EventRecord record(std::uint64_t sequence) {
    EventRecord record{};
    record.sequence = sequence;
    record.count = 1;
    record.address = 0x1234'5678'9000;
    record.hardware[0] = 0xfeed;
    record.hardware[3] = 0xbeef;
    record.device.kind = DeviceKind::pci;
    record.device.segment = 1;
    record.device.bus = 2;
    record.device.device = 3;
    record.device.function = 4;
    record.access = SMF_WRITE;
    record.flags = protocol::event_address_known;
    record.cause = SMMU_CAUSE_AFTER_REMOVAL;
    record.age_ns = 5;
    record.stream = 0x21c;
    record.owner_pid = 42;
    std::strcpy(record.unit, "iommu0");
    return record;
}

bool readable(int fd, int milliseconds = 0) {
    pollfd waited{fd, POLLIN, 0};
    return poll(&waited, 1, milliseconds) == 1;
}

class Events : public ClientTest {
protected:
    void SetUp() override {
        ClientTest::SetUp();
        ASSERT_EQ(smmu_init(0), 0);
    }
};

TEST_F(Events, StatusTakesOneRecord) {
    smmu_status status;
    std::memset(&status, 0xff, sizeof(status));
    EXPECT_EQ(smmu_xfer_status(&status), 0);
    EventRecord dropped = record(2);
    dropped.flags |= protocol::event_dropped_before;
    service.refuse_access(record(1));
    service.refuse_access(dropped);
    ASSERT_EQ(smmu_xfer_status(&status), 1);
    EXPECT_EQ(status.hw_specific, 0xfeedu);
    EXPECT_EQ(status.fault_addr, 0x1234'5678'9000u);
    EXPECT_EQ(status.devid.pci.type, unsigned(SDT_PCI));
    EXPECT_EQ(status.devid.pci.bus, smmu_pci_segment_bus(1, 2));
    EXPECT_EQ(status.devid.pci.dev, 3u);
    EXPECT_EQ(status.devid.pci.func, 4u);
    EXPECT_EQ(status.flags, SMF_WRITE);
    ASSERT_EQ(smmu_xfer_status(&status), 1);
    EXPECT_EQ(status.flags, SMF_WRITE | SSF_DROPPED_FAULTS);
    EXPECT_EQ(smmu_xfer_status(&status), 0);
    EXPECT_THAT(failure([] { return smmu_xfer_status(nullptr); }), Eq(EINVAL));
}

TEST_F(Events, UnknownDeviceHasNoType) {
    EventRecord unknown = record(1);
    unknown.device = {};
    unknown.device.kind = DeviceKind::none;
    service.refuse_access(unknown);
    smmu_status status{};
    ASSERT_EQ(smmu_xfer_status(&status), 1);
    EXPECT_EQ(status.devid.type, unsigned(SDT_NUM_TYPES));
}

TEST_F(Events, ReadGivesEverything) {
    for (std::uint64_t i = 1; i <= 5; ++i) service.refuse_access(record(i));
    smmu_event events[3]{};
    events[0].size = sizeof(events[0]);
    ASSERT_EQ(smmu_event_read(events, 3), 3);
    for (std::uint32_t i = 0; i < 3; ++i) EXPECT_EQ(events[i].sequence, i + 1);
    EXPECT_EQ(events[1].size, sizeof(smmu_event));
    EXPECT_EQ(events[1].flags, SMMU_EVENT_ADDRESS_KNOWN);
    EXPECT_EQ(events[1].hardware[3], 0xbeefu);
    EXPECT_EQ(events[1].cause, unsigned(SMMU_CAUSE_AFTER_REMOVAL));
    EXPECT_EQ(events[1].age_ns, 5u);
    EXPECT_EQ(events[1].stream, 0x21cu);
    EXPECT_EQ(events[1].owner_pid, 42u);
    EXPECT_STREQ(events[1].unit, "iommu0");
    events[0].size = sizeof(events[0]);
    EXPECT_EQ(smmu_event_read(events, 3), 2);
    events[0].size = sizeof(events[0]);
    EXPECT_EQ(smmu_event_read(events, 3), 0);
}

TEST_F(Events, LargerStructureOfANewerProgramIsServed) {
    struct Newer {
        smmu_event known;
        std::uint64_t unknown[2];
    };
    service.refuse_access(record(1));
    service.refuse_access(record(2));
    Newer events[2];
    std::memset(events, 0xff, sizeof(events));
    events[0].known.size = sizeof(Newer);
    ASSERT_EQ(smmu_event_read(&events[0].known, 2), 2);
    EXPECT_EQ(events[1].known.sequence, 2u);
    EXPECT_EQ(events[1].known.size, sizeof(smmu_event));
    EXPECT_EQ(events[0].unknown[1], 0u);
}

TEST_F(Events, WrongRoomIsEinval) {
    smmu_event event{};
    EXPECT_THAT(failure([&] { return smmu_event_read(&event, 1); }), Eq(EINVAL)) << "size not set";
    event.size = sizeof(event) + 1;
    EXPECT_THAT(failure([&] { return smmu_event_read(&event, 1); }), Eq(EINVAL));
    event.size = sizeof(event);
    EXPECT_THAT(failure([&] { return smmu_event_read(&event, 0); }), Eq(EINVAL));
    EXPECT_THAT(failure([] { return smmu_event_read(nullptr, 1); }), Eq(EINVAL));
}

TEST_F(Events, LyingServiceIsNotBelieved) {
    smmu_event event{};
    for (const protocol::EventsReply lie :
         {protocol::EventsReply{{5, 0}, sizeof(EventRecord), 0},
          protocol::EventsReply{{1, 0}, 8, 0}, protocol::EventsReply{{1, 0}, 0xffff'ffff, 0},
          protocol::EventsReply{{-1, 0}, sizeof(EventRecord), 0}}) {
        service.on(Opcode::events, [lie](Received&) {
            Answer answer = Answer::of(lie);
            answer.payload.resize(sizeof(EventRecord));
            return answer;
        });
        event.size = sizeof(event);
        EXPECT_THAT(failure([&] { return smmu_event_read(&event, 1); }), Eq(EPROTO));
    }
}

TEST_F(Events, EveryCauseHasAName) {
    EXPECT_STREQ(smmu_cause_name(SMMU_CAUSE_UNIT_CONFIGURATION), "unit-configuration");
    EXPECT_STREQ(smmu_cause_name(SMMU_CAUSE_NEVER_GRANTED), "never-granted");
    EXPECT_STREQ(smmu_cause_name(SMMU_CAUSE_COUNT), "unknown");
    EXPECT_STREQ(smmu_cause_name(~0u), "unknown");
}

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
void on_thread(sigval value) {
    thread_value = value.sival_ptr;
    sem_post(&thread_ran);
}

TEST_F(Notifications, ThreadRunsWithItsValue) {
    ASSERT_EQ(sem_init(&thread_ran, 0, 0), 0);
    int token = 0;
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD;
    event.sigev_notify_function = on_thread;
    event.sigev_value.sival_ptr = &token;
    ASSERT_EQ(smmu_xfer_notify(&event), 0);
    service.refuse_access(record(1));
    timespec limit{};
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 5;
    EXPECT_EQ(sem_timedwait(&thread_ran, &limit), 0);
    EXPECT_EQ(thread_value, &token);
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

class EventDescriptor : public Events {
protected:
    void SetUp() override {
        Events::SetUp();
        fd = smmu_event_fd();
        ASSERT_GE(fd, 0);
    }
    int fd = -1;
};

TEST_F(EventDescriptor, IsReadableWhileRecordsWait) {
    EXPECT_EQ(smmu_event_fd(), fd);
    EXPECT_FALSE(readable(fd));
    for (std::uint64_t i = 1; i <= 3; ++i) service.refuse_access(record(i));
    smmu_status status{};
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(readable(fd, 2000)) << i;
        EXPECT_EQ(smmu_xfer_status(&status), 1);
    }
    // At most one ring is left over from before the last record was taken.
    EXPECT_EQ(smmu_xfer_status(&status), 0);
    EXPECT_FALSE(readable(fd));
}

TEST_F(EventDescriptor, NoWakeUpIsLost) {
    const char* chosen = std::getenv("SMMU_TEST_SEED");
    const auto seed = chosen != nullptr ? std::strtoul(chosen, nullptr, 0) : 20261120ul;
    std::printf("SMMU_TEST_SEED=%lu\n", seed);
    constexpr std::uint64_t total = 2000;
    std::thread device([&] {
        std::mt19937 random{std::mt19937::result_type(seed)};
        for (std::uint64_t i = 1; i <= total; ++i) {
            service.refuse_access(record(i));
            if (random() % 8 == 0)
                std::this_thread::sleep_for(std::chrono::microseconds(random() % 200));
        }
    });
    std::mt19937 random{std::mt19937::result_type(seed + 1)};
    std::uint64_t expected = 1;
    while (expected <= total && readable(fd, 5000)) {
        // Whatever one call leaves waiting must make the descriptor readable again.
        if (random() % 2 == 0) {
            smmu_status status{};
            expected += smmu_xfer_status(&status) == 1;
            continue;
        }
        smmu_event events[4]{};
        events[0].size = sizeof(events[0]);
        const int count = smmu_event_read(events, 1 + random() % 4);
        ASSERT_GE(count, 0);
        for (int i = 0; i < count; ++i) EXPECT_EQ(events[i].sequence, expected++);
    }
    device.join();
    EXPECT_EQ(expected, total + 1) << "a record waits and the descriptor is quiet";
}

TEST_F(EventDescriptor, TellsOfTheServicesEndAndWorksAfterReconnecting) {
    service.stop();
    EXPECT_TRUE(readable(fd, 2000));
    service.start();
    smmu_status status{};
    EXPECT_THAT(failure([&] { return smmu_xfer_status(&status); }), Eq(ENOTCONN));
    EXPECT_THAT(failure([] { return smmu_event_fd(); }), Eq(ENOTCONN));
    ASSERT_EQ(smmu_init(0), 0);
    fd = smmu_event_fd();
    ASSERT_GE(fd, 0);
    EXPECT_FALSE(readable(fd));
    service.refuse_access(record(1));
    EXPECT_TRUE(readable(fd, 2000));
    EXPECT_EQ(smmu_xfer_status(&status), 1);
}

}  // namespace
}  // namespace smmu::client

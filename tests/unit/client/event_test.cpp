// SPDX-License-Identifier: Apache-2.0
// Records of refused accesses, and the descriptor that must not lose a wake-up.
#include <gmock/gmock.h>
#include <poll.h>
#include <smmu_ext.h>

#include <cstring>
#include <random>

#include "client/session.hpp"
#include "events.hpp"

namespace smmu::client {
namespace {

using protocol::DeviceKind;
using protocol::EventRecord;
using protocol::Opcode;
using testing::Eq;

bool readable(int fd, int milliseconds = 0) {
    pollfd waited{fd, POLLIN, 0};
    return poll(&waited, 1, milliseconds) == 1;
}

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

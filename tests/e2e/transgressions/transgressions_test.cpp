// SPDX-License-Identifier: Apache-2.0
// Transgressions: what a refused access is called, who is told, and how.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <csignal>

#include "tests/e2e/machine_room.hpp"

namespace smmu::test {
namespace {

constexpr std::uint64_t nowhere = 0x500'0000;  // granted to nobody

class Transgressions : public SharedRoom<Transgressions> {
public:
    static std::vector<std::string> words() {
        return {"smmu",  "vtd",         "ability", "attach", "user:nobody",
                "limit", "user:nobody", "any",     "any"};
    }

protected:
    // Records start with the first question for them; what comes from earlier tests goes.
    static ClientProcess listener(uid_t user = 0) {
        ClientProcess process = room().driver(user);
        while (!process.events().empty()) {
        }
        return process;
    }
    // A stray access, waited for: hardware keeps one record of a device until it is read.
    static void stray(ClientProcess& monitor, Edu& edu, std::uint64_t address) {
        room().stray(edu, address);
        (void)monitor.next_event();
    }
    // One refused access and its record.
    static smmu_event refused(ClientProcess& reader, Edu& edu, std::uint64_t address) {
        room().stray(edu, address);
        return reader.next_event();
    }
};

TEST_F(Transgressions, ARecordHasOwnerDeviceAddressAccessAndTime) {
    ClientProcess driver = listener();
    const Object object = driver.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    const smmu_event event = refused(driver, room().a(), nowhere + 0x123 * page);
    EXPECT_EQ(event.size, sizeof event);
    EXPECT_EQ(event.cause, unsigned{SMMU_CAUSE_NEVER_GRANTED});
    EXPECT_EQ(event.owner_pid, unsigned(driver.pid()));
    EXPECT_EQ(event.owner_uid, 0u);
    const auto objects = room().status().objects;
    ASSERT_EQ(objects.size(), 1u);
    EXPECT_EQ(event.owner_object, objects.front().id);
    EXPECT_EQ(event.device.type, unsigned{SDT_PCI});
    EXPECT_EQ(event.device.pci.dev, 3u);
    EXPECT_EQ(event.stream, raw(q35::edu_a.stream()));
    EXPECT_TRUE(event.flags & SMMU_EVENT_ADDRESS_KNOWN);
    EXPECT_EQ(event.address, nowhere + 0x123 * page);
    EXPECT_EQ(event.access, SMF_WRITE);
    EXPECT_EQ(event.count, 1u);
    EXPECT_STREQ(event.unit, "vtd@fed90000");
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const auto ns = std::uint64_t(now.tv_sec) * 1'000'000'000 + std::uint64_t(now.tv_nsec);
    EXPECT_LT(event.time_ns, ns);
    EXPECT_GT(event.time_ns + 10'000'000'000, ns);
    room().a().bus_master(true);
    ASSERT_TRUE(room().a().dma_in({nowhere}, 64));
    const smmu_event read = driver.next_event();
    EXPECT_EQ(read.access, SMF_READ);
    EXPECT_EQ(read.address, nowhere);
    EXPECT_GT(read.sequence, event.sequence);
}

TEST_F(Transgressions, TheCauseIsTheFirstThatFits) {
    ClientProcess driver = listener();
    const smmu_event alone = refused(driver, room().a(), nowhere);
    EXPECT_STREQ(smmu_cause_name(alone.cause), "not-attached") << "a monitor sees it";
    EXPECT_EQ(alone.owner_pid, 0u);
    const Object object = driver.own(q35::edu_a);
    constexpr std::uint64_t high = 0x1'2345'6000;
    ASSERT_TRUE(driver.map(object, memory_base, page, SMF_READ).done());
    ASSERT_TRUE(driver.map(object, memory_base + 16 * page, page).done());
    ASSERT_TRUE(driver.map(object, high, page, rw | SMF_TARGET, memory_base + 8 * page).done());
    const auto cause = [&](std::uint64_t address) {
        return std::string(smmu_cause_name(refused(driver, room().a(), address).cause));
    };
    EXPECT_EQ(cause(nowhere), "never-granted");
    EXPECT_EQ(cause(memory_base), "permission");
    EXPECT_EQ(cause(memory_base + page), "overrun");
    EXPECT_EQ(cause(memory_base + 15 * page), "overrun") << "before it too";
    EXPECT_EQ(cause(high & 0xffff'ffff), "truncated");
    EXPECT_EQ(cause(q35::vtd_registers.first.value), "protected");
    ASSERT_TRUE(driver.unmap(object, memory_base + 16 * page, page).done());
    const smmu_event late = refused(driver, room().a(), memory_base + 16 * page);
    EXPECT_STREQ(smmu_cause_name(late.cause), "after-removal");
    EXPECT_GT(late.age_ns, 0u);
    EXPECT_LT(late.age_ns, 10'000'000'000u);
    ASSERT_TRUE(driver.map(object, memory_base + 16 * page, page).done());
    EXPECT_TRUE(room().writes(room().a(), memory_base + 16 * page));
}

TEST_F(Transgressions, StatusIsTheSameRecordInTheOldForm) {
    ClientProcess driver = listener();
    ASSERT_NE(driver.own(q35::edu_a), nullptr);
    auto* const status = driver.shared<smmu_status>();
    const auto take = [status] { return long{smmu_xfer_status(status)}; };
    EXPECT_EQ(driver.run(take).value, 0) << "none";
    room().stray(room().a(), nowhere);
    EXPECT_TRUE(eventually([&] { return driver.run(take).value == 1; }));
    EXPECT_EQ(status->fault_addr, nowhere);
    EXPECT_EQ(status->flags, SMF_WRITE);
    EXPECT_EQ(status->devid.pci.type, unsigned{SDT_PCI});
    EXPECT_EQ(status->devid.pci.bus, 0u);
    EXPECT_EQ(status->devid.pci.dev, 3u);
    EXPECT_NE(status->hw_specific, 0u);
    EXPECT_EQ(driver.run(take).value, 0) << "taken";
    EXPECT_TRUE(driver.run([] { return long{smmu_xfer_status(nullptr)}; }).failed_with(EINVAL));
}

TEST_F(Transgressions, TwoMonitorsEachGetACopyAndAnOrdinaryClientOnlyItsOwnDevices) {
    ClientProcess one = listener(), two = listener(), ordinary = listener(ClientProcess::nobody);
    ClientProcess driver = listener();
    ASSERT_NE(driver.own(q35::edu_a), nullptr);
    const Object own = ordinary.own(q35::edu_b);
    ASSERT_NE(own, nullptr);
    const smmu_event first = refused(one, room().a(), nowhere);
    const smmu_event copy = two.next_event();
    EXPECT_EQ(first.sequence, copy.sequence);
    EXPECT_EQ(first.owner_pid, copy.owner_pid);
    EXPECT_EQ(first.owner_pid, unsigned(driver.pid()));
    EXPECT_TRUE(ordinary.events().empty()) << "another's device";
    const smmu_event theirs = refused(ordinary, room().b(), nowhere);
    EXPECT_EQ(theirs.owner_pid, unsigned(ordinary.pid()));
    EXPECT_EQ(theirs.owner_uid, ClientProcess::nobody);
    EXPECT_EQ(one.next_event().sequence, theirs.sequence);
    EXPECT_TRUE(ordinary.destroy(own).done());
    stray(one, room().b(), nowhere);
    EXPECT_TRUE(ordinary.events().empty()) << "its device no more";
}

TEST_F(Transgressions, ARecordThatWaitsAbsorbsRepeats) {
    ClientProcess monitor = listener(), slow = listener();
    ASSERT_NE(slow.own(q35::edu_a), nullptr);
    for (int i = 0; i < 5; ++i) stray(monitor, room().a(), nowhere);
    const auto events = slow.events();
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events.front().count, 5u);
    EXPECT_EQ(events.front().flags & SSF_DROPPED_FAULTS, 0u);
}

TEST_F(Transgressions, OneDeviceHoldsSixteenSlotsAndTheRecordAfterALossSaysSo) {
    ClientProcess monitor = listener(), slow = listener();
    ASSERT_NE(slow.own(q35::edu_a), nullptr);
    for (std::uint64_t i = 0; i < 18; ++i) stray(monitor, room().a(), nowhere + i * page);
    stray(monitor, room().b(), nowhere);
    const auto events = slow.events();
    ASSERT_EQ(events.size(), 17u) << "the quiet device's record is not lost";
    EXPECT_TRUE(events.front().flags & SSF_DROPPED_FAULTS);
    for (std::size_t i = 0; i < 16; ++i) EXPECT_EQ(events[i].address, nowhere + i * page) << i;
    for (std::size_t i = 1; i < events.size(); ++i)
        EXPECT_EQ(events[i].flags & SSF_DROPPED_FAULTS, 0u) << i;
    EXPECT_EQ(events.back().stream, raw(q35::edu_b.stream()));
}

TEST_F(Transgressions, AClientHasSixtyFourSlots) {
    ClientProcess monitor = listener(), slow = listener();
    ASSERT_NE(slow.create(), nullptr);  // the service looks more often while somebody owns objects
    const auto each_device = [&](std::uint64_t times) {
        for (std::uint64_t i = 0; i < times; ++i)
            for (const Function function :
                 {q35::edu_a, q35::edu_b, q35::edu_behind_port, q35::edu_behind_bridge_a})
                stray(monitor, room().edu(function), nowhere + i * page);
    };
    each_device(16);
    const auto full = slow.events();
    EXPECT_EQ(full.size(), 64u);
    EXPECT_EQ(full.front().flags & SSF_DROPPED_FAULTS, 0u) << "none was lost";
    each_device(17);
    const auto events = slow.events();
    EXPECT_EQ(events.size(), 64u);
    EXPECT_TRUE(events.front().flags & SSF_DROPPED_FAULTS);
    EXPECT_TRUE(slow.events().empty());
}

int* fired;
void on_signal(int) {
    *fired += 1;
}
void on_thread(sigval value) {
    *static_cast<int*>(value.sival_ptr) += 1;
}

TEST_F(Transgressions, NotifyBySignalFiresOnce) {
    ClientProcess driver = listener();
    ASSERT_NE(driver.own(q35::edu_a), nullptr);
    int* const count = driver.shared<int>() + 15'000;  // beyond the records
    const auto arm = [count] {
        fired = count;
        struct sigaction action {};
        action.sa_handler = on_signal;
        action.sa_flags = SA_RESTART;
        sigaction(SIGUSR1, &action, nullptr);
        sigevent event{};
        event.sigev_notify = SIGEV_SIGNAL;
        event.sigev_signo = SIGUSR1;
        return long{smmu_xfer_notify(&event)};
    };
    const auto is = [count](int expected) {
        return eventually([&] { return std::atomic_ref(*count).load() == expected; });
    };
    ASSERT_TRUE(driver.run(arm).done());
    ClientProcess monitor = listener();
    EXPECT_EQ(*count, 0);
    stray(monitor, room().a(), nowhere);
    EXPECT_TRUE(is(1));
    stray(monitor, room().a(), nowhere + page);
    usleep(50'000);
    EXPECT_TRUE(is(1)) << "one-shot";
    ASSERT_TRUE(driver.run(arm).done());
    EXPECT_TRUE(is(2)) << "at once, since records wait";
    EXPECT_EQ(driver.events().size(), 2u);
    ASSERT_TRUE(driver.run(arm).done());
    ASSERT_TRUE(driver.run([] { return long{smmu_xfer_notify(nullptr)}; }).done());
    stray(monitor, room().a(), nowhere);
    usleep(50'000);
    EXPECT_TRUE(is(2)) << "cancelled";
}

TEST_F(Transgressions, NotifyByThread) {
    ClientProcess driver = listener();
    ASSERT_NE(driver.own(q35::edu_a), nullptr);
    int* const count = driver.shared<int>() + 15'000;
    const Answer armed = driver.run([count] {
        sigevent event{};
        event.sigev_notify = SIGEV_THREAD;
        event.sigev_notify_function = on_thread;
        event.sigev_value.sival_ptr = count;
        return long{smmu_xfer_notify(&event)};
    });
    ASSERT_TRUE(armed.done()) << testing::PrintToString(armed);
    room().stray(room().a(), nowhere);
    EXPECT_TRUE(eventually([&] { return std::atomic_ref(*count).load() == 1; }));
    const Answer unknown = driver.run([] {
        sigevent event{};
        event.sigev_notify = 77;
        return long{smmu_xfer_notify(&event)};
    });
    EXPECT_TRUE(unknown.failed_with(EINVAL));
}

TEST_F(Transgressions, TheEventDescriptorIsReadableWhileRecordsWait) {
    ClientProcess driver = listener();
    ASSERT_NE(driver.own(q35::edu_a), nullptr);
    const auto readable = [&driver](int milliseconds) {
        return driver
            .run([milliseconds] {
                pollfd polled{smmu_event_fd(), POLLIN, 0};
                return long{poll(&polled, 1, milliseconds)};
            })
            .value;
    };
    EXPECT_EQ(readable(0), 0);
    room().stray(room().a(), nowhere);
    EXPECT_EQ(readable(5000), 1);
    EXPECT_EQ(readable(0), 1) << "until it is read";
    EXPECT_EQ(driver.events().size(), 1u);
    EXPECT_EQ(readable(0), 0) << "quiet";
    room().stray(room().a(), nowhere);
    EXPECT_EQ(readable(5000), 1) << "and again";
}

}  // namespace
}  // namespace smmu::test

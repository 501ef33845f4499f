// SPDX-License-Identifier: Apache-2.0
// Death: of clients at every step, and of the service. What is given to somebody else afterwards
// stays intact whatever the devices go on doing.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/un.h>

#include <functional>
#include <thread>

#include "tests/e2e/machine_room.hpp"

namespace smmu::test {
namespace {

using testing::HasSubstr;

// A device that writes to an address for as long as this lives, by a connection of its own.
class Stray {
public:
    Stray(const BoardProcess& board, Function device, std::uint64_t address)
        : client_(std::move(*board.connect())), edu_(*client_, device) {
        thread_ = std::jthread([this, address](const std::stop_token& stop) {
            while (!stop.stop_requested()) {
                edu_.bus_master(true);  // again and again: the service takes it away
                if (!edu_.dma_out({address}, MachineRoom::few, MachineRoom::own_offset)) return;
                ++shots_;
            }
        });
    }
    unsigned shots() const { return shots_; }
    // At least `count` more have gone.
    bool fires(unsigned count) {
        const unsigned wanted = shots_ + count;
        return eventually([&] { return shots_ >= wanted; });
    }

private:
    std::unique_ptr<link::Client> client_;
    Edu edu_;
    std::atomic<unsigned> shots_ = 0;
    std::jthread thread_;
};

class Death : public SharedRoom<Death> {
protected:
    static constexpr std::uint64_t former = memory_base + 16 * page;
    static constexpr std::uint8_t precious = 0x77;
    static constexpr int steps = 8;

    // The whole session up to and including step `last`; the object, if there is one by then.
    static void session(ClientProcess& client, int last) {
        const std::array<std::function<void()>, steps> script = {
            [&] { client.init(); },
            [&] { object_ = client.create(); },
            [&] { client.add(object_, q35::edu_a); },
            [&] { client.map(object_, former, page); },
            [&] { client.map(object_, former + page, page); },
            [&] { client.unmap(object_, former + page, page); },
            [&] { client.destroy(object_); },
            [&] { client.fini(); }};
        for (int step = 0; step <= last; ++step) script[std::size_t(step)]();
    }
    // The dead client's device can be had by others: everything of it has been blocked.
    static bool is_free(ClientProcess& heir) {
        const Object probe = heir.create();
        const bool free = eventually([&] { return heir.add(probe, q35::edu_a).done(); });
        heir.remove(q35::edu_a);
        heir.destroy(probe);
        return free;
    }
    // The heir uses the former pages with a device of its own; they stay as it left them.
    static void expect_intact(ClientProcess& heir, Stray& stray) {
        const Object object = heir.own(q35::edu_b);
        ASSERT_NE(object, nullptr);
        ASSERT_TRUE(heir.map(object, former, 2 * page).done());
        room().ram().fill({former}, 2 * page, precious);
        EXPECT_TRUE(stray.fires(5));
        EXPECT_TRUE(room().all(former, 2 * page, precious));
        EXPECT_TRUE(room().writes(room().b(), former + page)) << "it is the heir's";
        EXPECT_TRUE(heir.destroy(object).done());
    }
    static inline Object object_ = nullptr;
};

TEST_F(Death, AtEveryStepOfASessionLeavesNothingReachable) {
    ClientProcess heir = room().driver();
    Stray stray(room().board(), q35::edu_a, former);
    for (int step = 0; step < steps; ++step) {
        SCOPED_TRACE(fmt::format("killed after step {}", step));
        ClientProcess victim = room().client();
        session(victim, step);
        victim.kill_now();
        ASSERT_TRUE(is_free(heir));
        expect_intact(heir, stray);
    }
    EXPECT_TRUE(room().status().objects.size() == 0);
}

TEST_F(Death, InTheMiddleOfACallLeavesNothingReachable) {
    ClientProcess heir = room().driver();
    Stray stray(room().board(), q35::edu_a, former);
    for (unsigned delay = 0; delay < 8; ++delay) {
        SCOPED_TRACE(fmt::format("killed after {} us", delay * 1000));
        ClientProcess victim = room().client();
        session(victim, 3);
        victim.tell([object = object_] {
            std::vector<smmu_map_entry> entries(5'000);
            for (std::size_t i = 0; i < entries.size(); ++i) {
                entries[i].phys = 0x2'0000'0000 + 2 * i * page;
                entries[i].len = page;
            }
            for (unsigned flags = rw;; flags ^= rw)
                smmu_mapping_add(object, flags, 0, unsigned(entries.size()), entries.data(), 0);
            return 0L;
        });
        usleep(delay * 1000);
        victim.kill_now();
        ASSERT_TRUE(is_free(heir));
        expect_intact(heir, stray);
    }
}

TEST_F(Death, AForkedChildThatHoldsTheSocketDoesNotKeepAnythingAlive) {
    ClientProcess heir = room().driver();
    ClientProcess victim = room().client();
    session(victim, 4);
    ASSERT_TRUE(room().writes(room().a(), former));
    // The child inherits every descriptor and lives on.
    const Answer child = victim.run([] {
        const pid_t pid = fork();
        if (pid == 0) {
            for (;;) pause();
        }
        return long{pid};
    });
    ASSERT_GT(child.value, 0);
    victim.kill_now();
    EXPECT_TRUE(is_free(heir));
    EXPECT_FALSE(room().writes(room().a(), former));
    EXPECT_EQ(kill(pid_t(child.value), SIGKILL), 0) << "it was alive all the time";
}

TEST_F(Death, FiniLeavesNothing) {
    ClientProcess heir = room().driver();
    ClientProcess client = room().client();
    session(client, 4);
    ASSERT_TRUE(room().writes(room().a(), former));
    EXPECT_TRUE(client.fini().done());
    EXPECT_FALSE(room().writes(room().a(), former));
    EXPECT_TRUE(is_free(heir));
}

TEST_F(Death, AStoppedClientKeepsWhatItHasAndDisturbsNobody) {
    ClientProcess stopped = room().client(), other = room().driver();
    session(stopped, 4);
    kill(stopped.pid(), SIGSTOP);
    const Object object = other.own(q35::edu_b);
    for (int i = 0; i < 20; ++i) {
        EXPECT_TRUE(other.map(object, memory_base, page).done());
        EXPECT_TRUE(other.unmap(object, memory_base, page).done());
    }
    EXPECT_TRUE(room().writes(room().a(), former)) << "it is alive and still the owner";
    kill(stopped.pid(), SIGCONT);
    EXPECT_TRUE(stopped.unmap(object_, former, page).done());
    EXPECT_FALSE(room().writes(room().a(), former));
}

// The service's own end. Each test has its board and service.
class ServiceEnd : public testing::Test {
protected:
    void SetUp() override {
        auto opened = MachineRoom::open();
        ASSERT_TRUE(opened) << opened.error().text;
        room_ = std::move(*opened);
    }
    void start(const std::vector<std::string>& words = {"smmu", "vtd"}) {
        const auto started = room_->start_service(words);
        ASSERT_TRUE(started) << started.error().text;
    }
    MachineRoom& room() { return *room_; }

    std::unique_ptr<MachineRoom> room_;
};

TEST_F(ServiceEnd, AfterARestartCallsAreNotConnectedOldPointersInvalidAndInitWorksAgain) {
    start();
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_TRUE(driver.map(object, memory_base, page).done());
    EXPECT_EQ(room().service().end(SIGKILL), 128 + SIGKILL);
    EXPECT_TRUE(room().writes(room().a(), memory_base)) << "the hardware holds the last set";
    EXPECT_FALSE(room().writes(room().a(), memory_base + page));
    EXPECT_TRUE(driver.map(object, memory_base, page).failed_with(ENOTCONN));
    start();
    EXPECT_FALSE(room().writes(room().a(), memory_base)) << "sessions of the old one are over";
    EXPECT_TRUE(driver.map(object, memory_base, page).failed_with(ENOTCONN));
    ASSERT_TRUE(driver.init().done());
    EXPECT_TRUE(driver.map(object, memory_base, page).failed_with(EINVAL));
    EXPECT_TRUE(driver.destroy(object).failed_with(EINVAL));
    const Object anew = driver.own(q35::edu_a);
    ASSERT_NE(anew, nullptr);
    ASSERT_TRUE(driver.map(anew, memory_base, page).done());
    EXPECT_TRUE(room().writes(room().a(), memory_base));
    EXPECT_EQ(room().status().units.front().found, "own");
}

TEST_F(ServiceEnd, AStrayDeviceFindsNoOpenInstantWhileTheServiceIsKilledAndRestarted) {
    start();
    constexpr std::uint64_t victim = memory_base + 64 * page;
    room().ram().fill({victim}, page, 0x33);
    Stray stray(room().board(), q35::edu_b, victim);
    for (int i = 0; i < 3; ++i) {
        EXPECT_TRUE(stray.fires(5));
        room().service().end(i % 2 == 0 ? SIGKILL : SIGTERM);
        EXPECT_TRUE(stray.fires(5));
        start();
        EXPECT_TRUE(room().all(victim, page, 0x33)) << i;
    }
    EXPECT_GT(stray.shots(), 30u);
}

TEST_F(ServiceEnd, AnOrderlyStopLeavesStartupMappingsOrNothing) {
    for (const std::string policy : {"startup", "block"}) {
        SCOPED_TRACE(policy);
        start({"smmu", "vtd", "exit", policy, "allow", "window",
               fmt::format("{:x},4K", memory_base), "device", "pci:0:3.0", "window"});
        ClientProcess driver = room().driver();
        const Object object = driver.own(q35::edu_b);
        ASSERT_TRUE(driver.map(object, memory_base + page, page).done());
        EXPECT_TRUE(room().writes(room().a(), memory_base));
        EXPECT_EQ(room().service().end(SIGTERM), 0);
        EXPECT_EQ(room().writes(room().a(), memory_base), policy == "startup");
        EXPECT_FALSE(room().writes(room().b(), memory_base + page)) << "clients are blocked";
        EXPECT_FALSE(room().writes(room().b(), memory_base));
        EXPECT_NE(access(Service::socket(room().board()).c_str(), F_OK), 0) << "no stale socket";
    }
}

TEST_F(ServiceEnd, ASecondInstanceIsRefusedAndTheFirstUndisturbed) {
    start();
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_TRUE(driver.map(object, memory_base, page).done());
    const pid_t first = room().service().pid();
    for (const std::string& socket :
         {Service::socket(room().board()), room().board().directory() + "/other.sock"}) {
        auto words = Service::words(room().board(), {"smmu", "vtd"});
        words[4] = socket;
        const Ran ran = run(room().board(), "smmuman", words);
        EXPECT_EQ(ran.status, 3) << ran.output;
        EXPECT_THAT(ran.output, HasSubstr(fmt::format("{}", first))) << "who has it";
        EXPECT_TRUE(room().service().alive());
        EXPECT_TRUE(driver.map(object, memory_base + page, page).done());
        EXPECT_TRUE(room().copies(room().a(), memory_base, memory_base + page));
        EXPECT_TRUE(driver.unmap(object, memory_base + page, page).done());
    }
}

TEST_F(ServiceEnd, AStaleSocketSaysNotRunningAndIsReplaced) {
    start();
    room().service().end(SIGKILL);
    ASSERT_EQ(access(Service::socket(room().board()).c_str(), F_OK), 0);
    ClientProcess driver = room().client();
    EXPECT_TRUE(driver.init().failed_with(ENOENT));
    start();
    EXPECT_TRUE(driver.init().done());
}

TEST_F(ServiceEnd, AServiceThatDoesNotAnswerIsGivenUpAfterFiveSeconds) {
    start();
    ClientProcess driver = room().client();
    kill(room().service().pid(), SIGSTOP);
    const Instant begin = std::chrono::steady_clock::now();
    const Answer answer = driver.init();
    const auto took = std::chrono::steady_clock::now() - begin;
    kill(room().service().pid(), SIGCONT);
    EXPECT_TRUE(answer.failed_with(ETIMEDOUT)) << testing::PrintToString(answer);
    EXPECT_GT(took, std::chrono::milliseconds(4900));
    EXPECT_LT(took, std::chrono::seconds(10));
    EXPECT_TRUE(driver.init().done());
}

}  // namespace
}  // namespace smmu::test

// SPDX-License-Identifier: Apache-2.0
// What a client asks for, with DMA fired after every register write that it leads to.
#include <gtest/gtest.h>

#include "tests/e2e/judges/bench.hpp"

namespace smmu::test {
namespace {

constexpr unsigned both_ways = SMF_READ | SMF_WRITE;
constexpr unsigned dev_a = 3;
constexpr unsigned dev_b = 4;
constexpr std::uint64_t large = 0x200000;

class Client : public testing::TestWithParam<const char*> {
protected:
    void SetUp() override {
        bench.begin();
        ASSERT_TRUE(bench.start()) << bench.verdict();
        ASSERT_TRUE(bench.connect_client());
        object = smmu_obj_create(SOCF_NONE);
        ASSERT_NE(object, nullptr);
    }
    void TearDown() override {
        bench.fire("at the end");
        EXPECT_EQ(bench.verdict(), "");
    }
    // edu_b attached, with `bytes` granted.
    void attach_with(std::uint64_t bytes) {
        ASSERT_EQ(bench.map(object, place::granted, bytes, both_ways), 0);
        ASSERT_EQ(bench.attach(object, dev_b), 0);
    }

    Bench bench{GetParam()};
    smmu_object* object = nullptr;
};

TEST_P(Client, Attach) {
    ASSERT_EQ(bench.map(object, place::granted, 0x3000, both_ways), 0);
    const std::size_t granted = bench.watch(q35::edu_b, place::granted, Expect::opening);
    bench.watch(q35::edu_b, place::granted + 0x3000, Expect::refused);
    bench.watch(q35::edu_a, place::granted, Expect::refused);
    ASSERT_EQ(bench.attach(object, dev_b), 0);
    bench.expect(granted, Expect::passes);
}

// Its startup mapping is granted before, meanwhile and after.
TEST_P(Client, AttachAndDetachADeviceWithStartupMapping) {
    ASSERT_EQ(bench.map(object, place::granted, 0x3000, both_ways), 0);
    const std::size_t granted = bench.watch(q35::edu_a, place::granted, Expect::opening);
    const auto move = [&](smmu_object* to) {
        if (bench.moves_refuse()) bench.expect_startup(Expect::either);
        ASSERT_EQ(bench.attach(to, dev_a), 0);
        bench.expect_startup(Expect::passes);
    };
    move(object);
    bench.expect(granted, Expect::passes);
    bench.fire("attached");
    bench.expect(granted, Expect::closing);
    move(nullptr);
    bench.expect(granted, Expect::refused);
}

TEST_P(Client, MapAndUnmap) {
    attach_with(0x1000);
    bench.watch(q35::edu_b, place::granted, Expect::passes);
    constexpr std::uint64_t more = place::granted + 0x400000;
    const std::size_t added = bench.watch(q35::edu_b, more, Expect::opening);
    ASSERT_EQ(bench.map(object, more, 0x5000, both_ways), 0);
    bench.expect(added, Expect::passes);
    bench.fire("mapped");
    bench.expect(added, Expect::closing);
    ASSERT_EQ(bench.map(object, more, 0x5000, SMF_NONE), 0);
    bench.expect(added, Expect::refused);
    bench.fire("unmapped");
    bench.expect(added, Expect::opening);
    ASSERT_EQ(bench.map(object, more, large, both_ways), 0);
    bench.expect(added, Expect::passes);
    bench.fire("mapped anew");
    bench.expect(added, Expect::closing);
    ASSERT_EQ(bench.map(object, more, large, SMF_NONE), 0);
    bench.expect(added, Expect::refused);
}

TEST_P(Client, MoveBetweenObjects) {
    attach_with(0x2000);
    smmu_object* const other = smmu_obj_create(SOCF_NONE);
    ASSERT_EQ(bench.map(other, place::granted + 0x1000, 0x2000, both_ways), 0);
    const std::size_t old_only = bench.watch(q35::edu_b, place::granted, Expect::closing);
    const std::size_t in_both = bench.watch(q35::edu_b, place::granted + 0x1000, Expect::either);
    const std::size_t new_only = bench.watch(q35::edu_b, place::granted + 0x2000, Expect::opening);
    ASSERT_EQ(bench.attach(other, dev_b), 0);
    bench.expect(old_only, Expect::refused);
    bench.expect(in_both, Expect::passes);
    bench.expect(new_only, Expect::passes);
    bench.fire("moved");
    smmu_obj_destroy(object);
    bench.fire("old object destroyed");
    bench.expect(in_both, Expect::closing);
    bench.expect(new_only, Expect::closing);
    smmu_obj_destroy(other);
    bench.expect(in_both, Expect::refused);
    bench.expect(new_only, Expect::refused);
}

// The rest of a large leaf may be refused while it is split.
TEST_P(Client, SplitALargeLeaf) {
    attach_with(large);
    constexpr std::uint64_t middle = place::granted + large / 2;
    const std::size_t first = bench.watch(q35::edu_b, place::granted, Expect::either);
    const std::size_t before = bench.watch(q35::edu_b, middle - 8, Expect::either);
    const std::size_t hole = bench.watch(q35::edu_b, middle, Expect::closing);
    const std::size_t behind = bench.watch(q35::edu_b, middle + 0x1000, Expect::either);
    ASSERT_EQ(bench.map(object, middle, 0x1000, SMF_NONE), 0);
    bench.expect(hole, Expect::refused);
    for (const std::size_t rest : {first, before, behind}) bench.expect(rest, Expect::passes);
    bench.fire("split");
    bench.expect(hole, Expect::opening);
    for (const std::size_t rest : {first, before, behind}) bench.expect(rest, Expect::either);
    ASSERT_EQ(bench.map(object, middle, 0x1000, both_ways), 0);
    for (const std::size_t rest : {first, before, hole, behind}) bench.expect(rest, Expect::passes);
}

TEST_P(Client, ChangePermission) {
    attach_with(0x4000);
    const std::size_t changed =
        bench.watch(q35::edu_b, place::granted + 0x1000, Expect::either, Expect::closing);
    bench.watch(q35::edu_b, place::granted, Expect::passes);
    ASSERT_EQ(bench.map(object, place::granted + 0x1000, 0x1000, SMF_READ), 0);
    bench.expect(changed, Expect::passes, Expect::refused);
    bench.fire("read only");
    bench.expect(changed, Expect::either, Expect::opening);
    ASSERT_EQ(bench.map(object, place::granted + 0x1000, 0x1000, both_ways), 0);
    bench.expect(changed, Expect::passes);
    bench.fire("both again");
    // Tables that cannot say "write alone" go on allowing both, which the service reports.
    const bool widened = has_first_stage_only(GetParam());
    bench.expect(changed, widened ? Expect::either : Expect::closing, Expect::either);
    ASSERT_EQ(bench.map(object, place::granted + 0x1000, 0x1000, SMF_WRITE), 0);
    bench.expect(changed, widened ? Expect::passes : Expect::refused, Expect::passes);
}

TEST_P(Client, RemoveDevice) {
    attach_with(0x3000);
    const std::size_t granted = bench.watch(q35::edu_b, place::granted, Expect::closing);
    ASSERT_EQ(bench.attach(nullptr, dev_b), 0);
    bench.expect(granted, Expect::refused);
    bench.fire("removed");
    bench.expect(granted, Expect::opening);
    ASSERT_EQ(bench.attach(object, dev_b), 0);
    bench.expect(granted, Expect::passes);
}

INSTANTIATE_TEST_SUITE_P(Boards, Client, vtd_boards(), name_of_board);
INSTANTIATE_TEST_SUITE_P(SmmuBoards, Client, smmu_boards(), name_of_board);

class ClientOfVtd : public Client {};

// The queue is in error when a removal is asked for: it must be confirmed after all, or answered
// with EIO, and what was removed or never granted does not pass either way.
TEST_P(ClientOfVtd, FailedFlush) {
    attach_with(0x4000);
    const std::size_t removed = bench.watch(q35::edu_b, place::granted, Expect::closing);
    const std::size_t kept = bench.watch(q35::edu_b, place::granted + 0x3000, Expect::either);
    bench.expect(bench.startup_first, Expect::either);
    bench.expect(bench.startup_last, Expect::either);
    bench.between_stops([&] {
        const std::uint64_t ring = bench.read64(0x90) & vtd::page_mask;
        const std::uint64_t tail = bench.read64(0x88);
        const bool has_wide_descriptors = (bench.read64(0x90) & 0x800) != 0;
        bench.ram().store<std::uint64_t>({ring + tail}, 0xf);
        bench.write64(0x88, tail + (has_wide_descriptors ? 32 : 16));
        ASSERT_NE(bench.read32(0x34) & 0x10, 0u);
        bench.referee().accept_queue_error();
    });
    bench.set_phase("unmap with the queue in error");
    smmu_map_entry entry{};
    entry.phys = place::granted;
    entry.len = 0x1000;
    const int result = smmu_mapping_add(object, SMF_NONE, 0, 1, &entry, 0);
    const int why = errno;
    EXPECT_TRUE(result == 0 || why == EIO || why == ENOTCONN) << why;
    bench.expect(removed, Expect::refused);
    bench.fire("after the failed flush");
    if (result == 0) {
        bench.expect(kept, Expect::passes);
        bench.fire("recovered");
    }
    usleep(1'500'000);  // the service compares the unit with what it wrote every second
    bench.fire("after a recheck");
}

INSTANTIATE_TEST_SUITE_P(Boards, ClientOfVtd, vtd_boards(), name_of_board);

// A client in a process of its own, started before this process has threads; it waits for the word
// to begin.
class ClientProcess {
public:
    ClientProcess() {
        EXPECT_EQ(pipe2(orders_.data(), O_CLOEXEC), 0);
        EXPECT_EQ(pipe2(answers_.data(), O_CLOEXEC), 0);
        pid_ = fork();
        if (pid_ == 0) run();
    }
    ClientProcess(const ClientProcess&) = delete;
    ~ClientProcess() {
        kill_now();
        for (const int fd : {orders_[0], orders_[1], answers_[0], answers_[1]}) close(fd);
    }
    // Attaches edu_b with a grant, at the socket in that directory.
    bool begin(const std::string& directory) {
        char name[256] = {};
        directory.copy(name, sizeof name - 1);
        char answer = 0;
        pollfd ready{answers_[0], POLLIN, 0};
        return write(orders_[1], name, sizeof name) == sizeof name &&
               poll(&ready, 1, 20'000) == 1 && read(answers_[0], &answer, 1) == 1 && answer == 'y';
    }
    void kill_now() {
        if (pid_ <= 0) return;
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }

private:
    [[noreturn]] void run() {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        char name[256];
        if (read(orders_[0], name, sizeof name) != sizeof name) _exit(1);
        setenv("SMMUMAN_SOCKET", (std::string(name) + "/smmuman.sock").c_str(), 1);
        smmu_map_entry entry{};
        entry.phys = place::granted;
        entry.len = 0x3000;
        smmu_object* const object = smmu_init(0) == 0 ? smmu_obj_create(SOCF_NONE) : nullptr;
        const bool fine = object != nullptr &&
                          smmu_mapping_add(object, both_ways, 0, 1, &entry, 0) == 0 &&
                          smmu_device_add_pci(object, 0, dev_b, 0) == 0;
        const char answer = fine ? 'y' : 'n';
        if (write(answers_[1], &answer, 1) != 1) _exit(1);
        sleep(60);
        _exit(0);
    }

    std::array<int, 2> orders_{}, answers_{};
    pid_t pid_ = 0;
};

TEST(ClientDeath, ClosesWhatItHeld) {
    ClientProcess client;
    Bench bench;
    bench.begin();
    ASSERT_TRUE(bench.start()) << bench.verdict();
    ASSERT_TRUE(client.begin(bench.board().directory()));
    const std::size_t granted = bench.watch(q35::edu_b, place::granted, Expect::passes);
    bench.fire("attached");
    bench.expect(granted, Expect::closing);
    bench.set_phase("death of the client");
    const std::size_t before = bench.stops();
    client.kill_now();
    const Instant deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    bool is_closed = false;
    while (!is_closed && std::chrono::steady_clock::now() < deadline) {
        usleep(10'000);
        bench.between_stops([&] {
            bench.probe().fire("after the death");
            is_closed = bench.probe().at(granted).write.turned;
        });
    }
    EXPECT_TRUE(is_closed);
    EXPECT_GT(bench.stops(), before);
    usleep(50'000);
    bench.expect(granted, Expect::refused);
    bench.fire("closed");
    bench.between_stops([&] { bench.referee().at_answer("death of the client"); });
    EXPECT_EQ(bench.verdict(), "");
}

}  // namespace
}  // namespace smmu::test

// SPDX-License-Identifier: Apache-2.0
// DMA that goes on while grants change: what is granted all the time is not refused and arrives, what is granted never
// stays whole, and every refusal of the rest is of something that was changing. Where taking one page away splits a large
// leaf, the leaf goes before its pages come, and what hits that moment is refused as `in-change`.
#include <gmock/gmock.h>

#include <atomic>
#include <map>
#include <thread>

#include "tests/e2e/machine_room.hpp"

namespace smmu::test {
namespace {

using namespace std::chrono_literals;

constexpr std::uint64_t block_bytes = 2u << 20;

// Where things are in the board's memory.
struct Places {
    explicit Places(const MachineRoom& room) : block(room.memory() + (32u << 20)) {}
    std::uint64_t block;
    std::uint64_t source = block + 3 * page, sink = block + 7 * page;  // granted all the time
    std::uint64_t flapping = block + 5 * page;                         // between them, now and then
    std::uint64_t below = block - page, above = block + block_bytes;   // never
};

constexpr std::uint8_t canary = 0xc3;
constexpr std::uint64_t bytes = 64;

// One device at work, by its own connection to the board, until told to stop.
class Worker {
public:
    explicit Worker(MachineRoom& room) : at_(room) {
        auto link = room.board().connect();
        if (!link) throw std::runtime_error(link.error().text);
        link_ = std::move(*link);
        thread_ = std::thread([this, &ram = room.ram()] { work(ram); });
    }
    ~Worker() { stop(); }
    void stop() {
        ended_ = true;
        if (thread_.joinable()) thread_.join();
    }
    std::uint64_t rounds() const { return rounds_; }
    std::uint64_t failures() const { return failures_; }

private:
    void work(Ram& ram) {
        Edu edu(*link_, q35::edu_a);
        edu.bus_master(true);
        for (std::uint8_t number = 1; !ended_; ++number, ++rounds_) {
            for (std::uint64_t i = 0; i < bytes; ++i) ram.store<std::uint8_t>({at_.source + i}, std::uint8_t(number + i));
            ram.fill({at_.sink}, bytes, 0);
            edu.dma_in({at_.source}, bytes);
            edu.dma_out({at_.sink}, bytes);
            if (!std::ranges::equal(ram.at({at_.source}, bytes), ram.at({at_.sink}, bytes))) ++failures_;
            // Now and then where it may not, or may not just now.
            if (number % 4 == 0) edu.dma_out({at_.flapping}, bytes);
            if (number % 16 == 0) edu.dma_out({at_.below + page - bytes}, bytes);
            if (number % 16 == 8) edu.dma_out({at_.above}, bytes);
        }
    }

    Places at_;
    std::unique_ptr<link::Client> link_;
    std::atomic<bool> ended_{false};
    std::atomic<std::uint64_t> rounds_{0}, failures_{0};
    std::thread thread_;
};

// So long, and until the device has worked enough: a loaded machine gives it little time.
class Meanwhile {
public:
    explicit Meanwhile(const Worker& worker) : worker_(worker) {}
    bool goes_on() const {
        const auto now = std::chrono::steady_clock::now();
        return now < begin_ + 1500ms || (worker_.rounds() <= 100 && now < begin_ + 60s);
    }

private:
    const Worker& worker_;
    const std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

class Concurrent : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        auto opened = MachineRoom::open(GetParam());
        ASSERT_TRUE(opened) << opened.error().text;
        room_ = std::move(*opened);
        at_.emplace(*room_);
        ASSERT_TRUE(room_->start_service());
        driver_ = room_->driver();
        room_->ram().fill({at_->below}, page, canary);
        room_->ram().fill({at_->above}, page, canary);
    }
    MachineRoom& room() { return *room_; }

    // Takes what waits and holds it against what was ever granted.
    void judge_records() {
        for (const smmu_event& event : driver_.events()) {
            const std::uint64_t at = event.address & ~(page - 1);
            ++causes_[{at, event.cause}];
            EXPECT_EQ(event.owner_pid, std::uint32_t(driver_.pid()));
        }
    }
    void expect_only(std::uint64_t at, std::initializer_list<unsigned> allowed) const {
        for (const auto& [key, times] : causes_)
            if (key.first == at) {
                EXPECT_NE(std::ranges::find(allowed, key.second), allowed.end())
                    << std::hex << at << ": " << smmu_cause_name(key.second) << ", " << times << " times";
            }
    }
    // Takes pages away and gives them back while the device works beside them.
    void change_around(Object object, std::uint64_t first, std::uint64_t length) {
        ASSERT_TRUE(driver_.map(object, first, length).done());
        driver_.events();  // from now on
        Worker worker(room());
        int changes = 0;
        for (const Meanwhile meanwhile(worker); meanwhile.goes_on(); ++changes) {
            ASSERT_TRUE(driver_.unmap(object, at_->flapping, page).done());
            ASSERT_TRUE(driver_.map(object, first + length / 2, page, SMF_READ).done());
            ASSERT_TRUE(driver_.map(object, first, length).done());
            judge_records();
        }
        worker.stop();
        usleep(50'000);
        judge_records();
        EXPECT_GT(changes, 5);
        EXPECT_GT(worker.rounds(), 100u);
        failures_ = worker.failures();
        expect_only(at_->flapping, {SMMU_CAUSE_IN_CHANGE, SMMU_CAUSE_AFTER_REMOVAL});
        expect_canaries();
    }
    void expect_canaries() {
        EXPECT_TRUE(room().all(at_->below, page, canary));
        EXPECT_TRUE(room().all(at_->above, page, canary));
    }

    std::unique_ptr<MachineRoom> room_;
    std::optional<Places> at_;
    ClientProcess driver_;
    std::map<std::pair<std::uint64_t, unsigned>, std::uint64_t> causes_;
    std::uint64_t failures_ = 0;
};

TEST_P(Concurrent, WhatIsGrantedAllTheTimeIsNeverRefused) {
    const Object object = driver_.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    change_around(object, at_->block + page, block_bytes / 2);  // pages only: no leaf holds more
    EXPECT_EQ(failures_, 0u);
    expect_only(at_->source, {});
    expect_only(at_->sink, {});
}

TEST_P(Concurrent, ALargeLeafIsRefusedOnlyWhileItIsSplit) {
    const Object object = driver_.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    change_around(object, at_->block, block_bytes);
    EXPECT_LE(failures_, 8u);
    expect_only(at_->source, {SMMU_CAUSE_IN_CHANGE});
    expect_only(at_->sink, {SMMU_CAUSE_IN_CHANGE});
}

TEST_P(Concurrent, ADeviceThatMovesIsRefusedOnlyWhileItMoves) {
    const Object first = driver_.own(q35::edu_a);
    const Object second = driver_.create();
    ASSERT_TRUE(first != nullptr && second != nullptr);
    for (const Object object : {first, second}) ASSERT_TRUE(driver_.map(object, at_->block, block_bytes).done());
    driver_.events();
    std::uint64_t rounds = 0;
    int moves = 0;
    {
        Worker worker(room());
        for (const Meanwhile meanwhile(worker); meanwhile.goes_on(); ++moves) {
            ASSERT_TRUE(driver_.add(moves % 2 == 0 ? second : first, q35::edu_a).done());
            judge_records();
        }
        worker.stop();
        rounds = worker.rounds();
    }
    usleep(50'000);
    judge_records();
    EXPECT_GT(moves, 5);
    EXPECT_GT(rounds, 100u);
    for (const std::uint64_t at : {at_->source, at_->sink, at_->flapping}) expect_only(at, {SMMU_CAUSE_IN_CHANGE});
    expect_canaries();
}

INSTANTIATE_TEST_SUITE_P(Boards, Concurrent, testing::Values("q35-vtd", "q35-vtd-cm", "q35-vtd-scalable", "q35-vtd-first-stage", "virt-smmuv3", "virt-smmuv3-s1"),
                         [](const auto& chosen) {
                             std::string name = chosen.param;
                             std::ranges::replace(name, '-', '_');
                             return name;
                         });

}  // namespace
}  // namespace smmu::test

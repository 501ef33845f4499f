// SPDX-License-Identifier: Apache-2.0
// Vtd: a board with VT-d, devices that move bytes, and one instance of the service's driver on it.
#pragma once

#include <gtest/gtest.h>

#include "memory/gather.hpp"
#include "platform/board/board_platform.hpp"
#include "tests/board/board_fixture.hpp"
#include "units/vtd/open.hpp"
#include "tests/unit/driving.hpp"

namespace smmu::test::vtd {

using test::q35::edu_a;
using test::q35::edu_b;
using test::q35::edu_behind_port;
using units::Assignment;
using units::Found;
using units::Recording;
using units::Refusal;

inline constexpr std::uint64_t page = 0x1000;
inline constexpr PhysAddr source{0x200'0000}, target{0x201'0000};  // buffers
inline constexpr PhysAddr foreign_tables{0x300'0000};
inline constexpr std::uint64_t table_bytes = 4u << 20;
inline constexpr unsigned host_bits = 39;  // enough for what the boards have

inline Result<void> map(units::AddressSpace& space, Iova iova, PhysAddr memory,
                        Access access = read_write, std::uint64_t length = page) {
    return units::apply(space, paging::Map{{iova, iova + (length - 1)}, memory, access});
}
inline Result<void> unmap(units::AddressSpace& space, Iova iova, std::uint64_t length = page) {
    return units::apply(space, paging::Unmap{{iova, iova + (length - 1)}});
}

using units::Collected;

// One instance of the service on the board.
struct Instance {
    static Result<std::unique_ptr<Instance>> start(platform::Platform& platform) {
        auto instance = std::make_unique<Instance>();
        SMMU_TRY(const memory::TableMemory memory,
                 platform.table_memory(std::nullopt, table_bytes));
        SMMU_TRY(instance->arena, memory::Arena::open(memory, platform.boot_identity()));
        SMMU_TRY(instance->unit,
                 units::vtd::open(platform, units::described(test::q35::vtd_registers, host_bits),
                                  *instance->arena, instance->account, instance->clock));
        return instance;
    }
    units::AddressSpace& space() {
        auto made = unit->create_space(account);
        EXPECT_TRUE(made) << made.error().text;
        spaces.push_back(std::move(*made));
        return *spaces.back();
    }
    // What a killed process leaves: hardware as it was, no destructor run on tables.
    static void kill(std::unique_ptr<Instance> instance) {
        static std::vector<std::unique_ptr<Instance>>& dead =
            *new std::vector<std::unique_ptr<Instance>>;
        dead.push_back(std::move(instance));
    }

    SteadyClock clock;
    memory::Account account;
    std::unique_ptr<memory::Arena> arena;
    std::unique_ptr<units::IommuUnit> unit;
    std::vector<std::unique_ptr<units::AddressSpace>> spaces;
};

// A board, and how the driver is to use its unit.
struct Kind {
    const char* board;
    const char* mode;
    unsigned input_bits;
    std::uint8_t stage;
};

class Vtd : public testing::TestWithParam<Kind> {
protected:
    void start() {
        auto started = test::BoardProcess::start(GetParam().board);
        ASSERT_TRUE(started) << started.error().text;
        board_ = std::move(*started);
        auto connected = board_->connect();
        ASSERT_TRUE(connected) << connected.error().text;
        client_ = std::move(*connected);
        auto mapped = test::Ram::map(*client_);
        ASSERT_TRUE(mapped) << mapped.error().text;
        ram_.emplace(std::move(*mapped));
        for (const test::Function function : {edu_a, edu_b, edu_behind_port}) {
            edus_.push_back(std::make_unique<test::Edu>(*client_, function));
            edus_.back()->bus_master(true);
        }
        auto opened = platform::board::open(board_->socket());
        ASSERT_TRUE(opened) << opened.error().text;
        platform_ = std::move(*opened);
    }
    void service() {
        auto started = Instance::start(*platform_);
        ASSERT_TRUE(started) << started.error().text;
        instance_ = std::move(*started);
    }
    void TearDown() override {
        if (!instance_) return;
        // The board ends with the test: nobody walks the tables any more.
        if (instance_->unit->state() == units::UnitState::containing) {
            EXPECT_TRUE(instance_->unit->leave({}));
        }
        for (auto& space : instance_->spaces) (void)instance_->unit->retire(std::move(space));
        instance_.reset();
    }

    test::Edu& a() { return *edus_[0]; }
    test::Edu& b() { return *edus_[1]; }
    test::Edu& behind_port() { return *edus_[2]; }
    units::IommuUnit& unit() { return *instance_->unit; }

    // Loads the device's memory while it may read `from`.
    void load(test::Edu& edu, Iova from, PhysAddr memory, std::uint64_t value) {
        ram_->store(memory, value);
        EXPECT_TRUE(edu.dma_in(from, 8));
    }
    // Whether what the device writes to `to` arrives at `memory`; refused writes leave it as it
    // was.
    bool writes(test::Edu& edu, Iova to, PhysAddr memory) {
        ram_->store<std::uint64_t>(memory, 0);
        EXPECT_TRUE(edu.dma_out(to, 8));
        return ram_->load<std::uint64_t>(memory) != 0;
    }
    Collected refusals() {
        Collected seen;
        unit().drain(seen);
        return seen;
    }
    std::uint64_t reg(std::uint64_t offset, std::uint8_t bytes) {
        return client_->read(test::q35::vtd_registers.first + offset, bytes);
    }
    void set_reg(std::uint64_t offset, std::uint8_t bytes, std::uint64_t value) {
        client_->write(test::q35::vtd_registers.first + offset, bytes, value);
    }
    void command(std::uint64_t bit) {
        set_reg(0x18, 4, (reg(0x1c, 4) & 0x96ff'ffff) | std::uint64_t{1} << bit);
    }

    // Somebody else's tables: bus 0 passes through, or one identity mapped gigabyte.
    void set_up_foreign(bool pass_through) {
        const PhysAddr root = foreign_tables;
        for (std::uint64_t at = 0; at < 8 * page; at += 8) ram_->store<std::uint64_t>(root + at, 0);
        ram_->store<std::uint64_t>(root, (root + page).value | 1);
        const bool three_levels = GetParam().input_bits == 39;
        const PhysAddr top = root + (three_levels ? 3 : 2) * page;
        for (std::uint64_t function = 0; function < 256; ++function) {
            ram_->store<std::uint64_t>(root + page + 16 * function,
                                       pass_through ? 9 : (top.value | 1));
            ram_->store<std::uint64_t>(root + page + 16 * function + 8,
                                       (three_levels ? 1u : 2u) | 7 << 8);
        }
        ram_->store<std::uint64_t>(root + 2 * page, (root + 3 * page).value | 3);
        ram_->store<std::uint64_t>(root + 3 * page, 0x83);
        set_reg(0x90, 8, (root + 4 * page).value);
        command(26);
        set_reg(0x20, 8, root.value);
        command(30);
        // Both caches, and a wait that reports to memory.
        const std::uint64_t descriptors[] = {1 | 1 << 4,
                                             0,
                                             2 | 1 << 4,
                                             0,
                                             5 | 1 << 5 | std::uint64_t{1} << 32,
                                             (root + 5 * page).value};
        for (std::size_t i = 0; i < 6; ++i)
            ram_->store<std::uint64_t>(root + 4 * page + 8 * i, descriptors[i]);
        set_reg(0x88, 8, 0x30);
        command(31);
        ASSERT_EQ(reg(0x1c, 4) & 0xc400'0000, 0xc400'0000u);
    }

    // The same in scalable mode, through one identity mapped gigabyte of the stage the unit has.
    void set_up_foreign_scalable() {
        const PhysAddr root = foreign_tables;
        const bool first = GetParam().stage == 1;
        const auto put = [&](std::uint64_t at, std::uint64_t value) {
            ram_->store<std::uint64_t>(root + at, value);
        };
        ram_->fill(root, 8 * page, 0);
        put(0, (root + page).value | 1);
        for (std::uint64_t function = 0; function < 128; ++function)
            put(page + 32 * function, (root + 2 * page).value | 1);
        put(2 * page, (root + 3 * page).value | 1);
        put(3 * page, 1 | 2 << 2 | (first ? 1 << 6 : 2 << 6 | (root + 4 * page).value));
        put(3 * page + 8, 7);
        if (first) put(3 * page + 16, (root + 4 * page).value);
        put(4 * page, (root + 5 * page).value | (first ? 0x27 : 3));
        put(5 * page, first ? 0xe7 : 0x83);
        set_reg(0x90, 8, (root + 6 * page).value | 0x800);
        command(26);
        set_reg(0x20, 8, root.value | 0x400);
        command(30);
        // All three caches, and a wait that reports to memory.
        const std::uint64_t lows[] = {1 | 1 << 4, 7 | 3 << 4, 2 | 1 << 4,
                                      5 | 1 << 5 | std::uint64_t{1} << 32};
        for (std::size_t i = 0; i < 4; ++i) put(6 * page + 32 * i, lows[i]);
        put(6 * page + 32 * 3 + 8, (root + 7 * page).value);
        set_reg(0x88, 8, 0x80);
        command(31);
        ASSERT_EQ(reg(0x1c, 4) & 0xc400'0000, 0xc400'0000u);
    }

    std::unique_ptr<test::BoardProcess> board_;
    std::unique_ptr<link::Client> client_;
    std::optional<test::Ram> ram_;
    std::vector<std::unique_ptr<test::Edu>> edus_;
    std::unique_ptr<platform::Platform> platform_;
    std::unique_ptr<Instance> instance_;
};

}  // namespace smmu::test::vtd

// SPDX-License-Identifier: Apache-2.0
// Bench: one unit in software, table memory, and the driver on it.
#pragma once

#include <gtest/gtest.h>

#include "silicon.hpp"
#include "units/smmuv3/unit.hpp"
#include "tests/unit/driving.hpp"

namespace smmu::units::smmuv3 {

using silicon::Unit;

inline constexpr std::uint32_t nic = 0x18, disk = 0x20, stranger = 0x28, remote = 0x200;
inline constexpr std::uint64_t page = 0x1000;

inline Result<void> unmap(AddressSpace& space, std::uint64_t iova, std::uint64_t length) {
    return apply(space, paging::Unmap{{{iova}, {iova + length - 1}}});
}
inline Result<void> map(AddressSpace& space, std::uint64_t iova, std::uint64_t memory, std::uint64_t length) {
    return apply(space, paging::Map{{{iova}, {iova + length - 1}}, {memory}, read_write});
}

// A unit found off; the nic is in a space with its page 5 (0x5000, of 4 KiB), the disk is known and blocked.
class SmmuV3 : public testing::Test {
protected:
    SmmuV3() { begin(); }
    ~SmmuV3() override {
        for (const std::string& complaint : unit.complaints) ADD_FAILURE() << complaint;
        die();
    }
    // An instance of the service, as far as the unit is concerned; the arena goes on where there was one.
    void begin() {
        const memory::TableMemory memory{{{silicon::memory_base}, {silicon::memory_base + silicon::memory_bytes - 1}},
                                         {unit.memory.start, silicon::memory_bytes}};
        arena = *memory::Arena::open(memory, {1, 2, 3});
        account = std::make_unique<memory::Account>();
    }
    // Nobody ends what a killed instance had: hardware goes on using its tables.
    void die() {
        static auto& dead = *new std::vector<std::unique_ptr<SmmuV3Unit>>;
        static auto& spaces = *new std::vector<std::unique_ptr<AddressSpace>>;
        static auto& memory = *new std::vector<std::pair<std::unique_ptr<memory::Arena>, std::unique_ptr<memory::Account>>>;
        dead.push_back(std::move(driver));
        spaces.push_back(std::move(space));
        memory.emplace_back(std::move(arena), std::move(account));
    }
    void open() {
        auto mmio = std::make_unique<silicon::Forwarding>(unit);
        const auto features = Features::read(hw::Registers(*mmio), "unit");
        ASSERT_TRUE(features) << features.error().text;
        auto made = SmmuV3Unit::create(std::move(mmio), *features, "unit", *arena, *account, clock, 48);
        ASSERT_TRUE(made) << made.error().text;
        driver = std::move(*made);
        space = *driver->create_space(*account);
        granule = std::uint64_t{1} << features->granule_log2;
        ASSERT_TRUE(map(*space, 5 * granule, 0x7000'0000 + 5 * granule, granule));
    }
    Result<TakeOver> take_over() {
        const Assignment assignments[] = {{StreamId{nic}, space.get()}, {StreamId{disk}, nullptr}};
        return driver->take_over(assignments);
    }
    void contain() {
        open();
        const auto taken = take_over();
        ASSERT_TRUE(taken) << taken.error().text;
    }
    bool refuses(std::uint32_t stream, std::uint64_t address) { return unit.dma(stream, address) == Unit::refused; }
    std::size_t position(std::uint64_t offset, std::uint64_t bits, bool set) const {
        for (std::size_t i = 0; i < unit.writes.size(); ++i)
            if (unit.writes[i].first == offset && ((unit.writes[i].second & bits) != 0) == set) return i;
        return unit.writes.size();
    }
    bool was_forgotten(std::uint64_t opcode) const {
        return std::ranges::any_of(unit.commands, [&](const auto& command) { return (command.first & 0xff) == opcode; });
    }

    Unit unit;
    Time clock;
    std::uint64_t granule = page;
    std::unique_ptr<memory::Account> account;
    std::unique_ptr<memory::Arena> arena;
    std::unique_ptr<SmmuV3Unit> driver;
    std::unique_ptr<AddressSpace> space;
};

}  // namespace smmu::units::smmuv3

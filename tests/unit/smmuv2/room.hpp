// SPDX-License-Identifier: Apache-2.0
// Room: the driver on a modelled MMU-500 in the same process. After every register write a probe
// may look what passes. The model complains of whatever the manual forbids; every test ends without
// complaints unless it says which it expects.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "tests/models/mmu500/model/machine.hpp"
#include "units/smmuv2/unit.hpp"
#include "tests/unit/driving.hpp"

namespace smmu::units::smmuv2 {

namespace model = smmu::model::mmu500;

// Each driver has its own view of the unit; all of them share the hook.
struct Wire {
    std::function<void()> after_write;
    std::function<bool(std::uint64_t, std::uint64_t)> swallows;  // a write that does not arrive
    std::function<std::optional<std::uint32_t>(std::uint64_t)> says;  // in the unit's place
    std::uint64_t writes = 0;
    bool gone = false;
};

class Forwarding final : public hw::Mmio {
public:
    Forwarding(model::Unit& unit, Wire& wire) : unit_(unit), wire_(wire) {}
    std::uint32_t read32(std::uint64_t offset) noexcept override {
        if (wire_.gone) return ~std::uint32_t{0};
        const auto said = wire_.says ? wire_.says(offset) : std::nullopt;
        return said ? *said : std::uint32_t(unit_.read(offset, 4));
    }
    std::uint64_t read64(std::uint64_t offset) noexcept override {
        return wire_.gone ? ~std::uint64_t{0} : unit_.read(offset, 8);
    }
    void write32(std::uint64_t offset, std::uint32_t value) noexcept override {
        write(offset, 4, value);
    }
    void write64(std::uint64_t offset, std::uint64_t value) noexcept override {
        write(offset, 8, value);
    }

private:
    void write(std::uint64_t offset, unsigned bytes, std::uint64_t value) {
        ++wire_.writes;
        if (wire_.gone || (wire_.swallows && wire_.swallows(offset, value))) return;
        unit_.write(offset, bytes, value);
        if (wire_.after_write) wire_.after_write();
    }
    model::Unit& unit_;
    Wire& wire_;
};


inline constexpr std::uint32_t nic = 1, disk = 2, stranger = 8, late = 0x10;
inline constexpr std::uint64_t page = 0x1000;
inline constexpr std::uint64_t nothing = ~std::uint64_t{0};

// The nic is in a space in which 0x5000 leads to 0x84005000; the disk is known and blocked.
class Room : public testing::Test {
protected:
    static constexpr std::uint64_t tables = 0x80100000, table_bytes = 4 << 20;
    static constexpr std::uint64_t here = 0x5000, there = 0x84005000, elsewhere = 0x85005000;

    ~Room() override {
        wire.after_write = nullptr;
        if (machine && !may_complain) {
            EXPECT_THAT(machine->complaints().all(), testing::IsEmpty());
        }
        drivers.clear();
        static auto& kept =
            *new std::vector<std::unique_ptr<AddressSpace>>;  // hardware may walk it
        for (auto& space : spaces) kept.push_back(std::move(space));
    }

    // The machine, as its firmware leaves it.
    void boot(model::Features features = {}, model::Behaviour behaviour = {}) {
        model::MachineFacts facts;
        facts.units = {{.features = features, .behaviour = behaviour}};
        machine = std::make_unique<model::Mmu500Machine>(std::move(facts));
        description.kind = topology::UnitKind::smmuv2;
        description.name = "smmuv2@fd800000";
        description.registers = {{0xfd80'0000}, {0xfd87'ffff}};
        description.host_address_bits = 48;
        new_arena();
    }
    void new_arena() {
        const memory::TableMemory memory{{{tables}, {tables + table_bytes - 1}},
                                         {machine->memory().at(tables), table_bytes}};
        arenas.push_back(*memory::Arena::open(memory, {1, 2, 3}));
    }
    Result<Features> features() {
        Forwarding view(machine->unit(0), wire);
        return Features::read(hw::Registers(view), description);
    }
    Result<void> open_driver() {
        SMMU_TRY(const Features seen, features());
        SMMU_TRY(auto made, SmmuV2Unit::create(std::make_unique<Forwarding>(machine->unit(0), wire),
                                               seen, description, *arenas.back(), account, clock));
        drivers.push_back(std::move(made));
        return {};
    }
    // Dies as it stands; what it told the hardware stays.
    void kill() {
        killed.push_back(std::move(drivers.back()));
        drivers.pop_back();
        new_arena();
    }
    SmmuV2Unit& driver() { return *drivers.back(); }
    AddressSpace& space(std::size_t index = 0) { return *spaces[index]; }

    // A space in which `here` leads to `target`.
    Result<AddressSpace*> make_space(std::uint64_t target) {
        SMMU_TRY(auto made, driver().create_space(account));
        spaces.push_back(std::move(made));
        AddressSpace* const space = spaces.back().get();
        SMMU_CHECK(map(*space, here, target, page));
        return space;
    }
    static Result<void> map(AddressSpace& space, std::uint64_t iova, std::uint64_t target,
                            std::uint64_t length, Access access = read_write) {
        return apply(space, paging::Map{{{iova}, {iova + length - 1}}, {target}, access});
    }
    static Result<void> unmap(AddressSpace& space, std::uint64_t iova, std::uint64_t length) {
        return apply(space, paging::Unmap{{{iova}, {iova + length - 1}}});
    }
    Result<TakeOver> take_over() {
        const Assignment assignments[] = {{StreamId{nic}, &space()}, {StreamId{disk}, nullptr}};
        return driver().take_over(assignments);
    }
    void contain(model::Features features = {}, model::Behaviour behaviour = {}) {
        boot(features, behaviour);
        start();
    }
    // A driver on the machine as it is, with the nic's space.
    TakeOver start() {
        const auto opened = open_driver();
        EXPECT_TRUE(opened) << opened.error().text;
        const auto made = make_space(there);
        EXPECT_TRUE(made) << made.error().text;
        std::swap(spaces.front(), spaces.back());
        const auto taken = take_over();
        EXPECT_TRUE(taken) << taken.error().text;
        return taken.value_or(TakeOver{});
    }

    // Where an access of a device ends.
    std::uint64_t dma(std::uint32_t stream, std::uint64_t address, bool write = false) {
        const model::Outcome outcome = machine->unit(0).handle(
            {.stream = std::uint16_t(stream), .address = address, .write = write});
        return outcome.verdict == model::Verdict::allowed ? outcome.address : nothing;
    }
    bool refuses(std::uint32_t stream, std::uint64_t address = here) {
        return dma(stream, address) == nothing && dma(stream, address, true) == nothing;
    }
    bool all_refuse() {
        return refuses(nic) && refuses(disk) && refuses(stranger) && refuses(late) &&
               refuses(nic, there) && refuses(disk, there);
    }
    std::uint32_t global(unsigned offset) {
        return std::uint32_t(machine->unit(0).read(offset, 4));
    }
    void set_global(unsigned offset, std::uint32_t value) {
        machine->unit(0).write(offset, 4, value);
    }
    bool is_off() { return (global(model::gr0::scr0) & model::scr0::clientpd) != 0; }
    std::vector<Refusal> drained() {
        Collected seen;
        for (int i = 0; i < 10 && driver().drain(seen).more; ++i) {
        }
        return seen.all;
    }

    Wire wire;
    Time clock;
    memory::Account account;
    topology::Unit description;
    std::unique_ptr<model::Mmu500Machine> machine;
    std::vector<std::unique_ptr<memory::Arena>> arenas;
    std::vector<std::unique_ptr<SmmuV2Unit>> drivers, killed;
    std::vector<std::unique_ptr<AddressSpace>> spaces;
    bool may_complain = false;
};

}  // namespace smmu::units::smmuv2

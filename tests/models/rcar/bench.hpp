// SPDX-License-Identifier: Apache-2.0
// Bench: a board of the model and a small driver of its IPMMUs, written from the data sheet, so
// that the model is judged by somebody else's reading of it than the service's. Tables are made by
// hand.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/models/rcar/model/machine.hpp"
#include "tests/models/rcar/model/registers.hpp"

namespace smmu::model::rcar {

inline constexpr std::uint64_t first_tables = 0x40100000;
inline constexpr std::uint64_t memory_a = 0x40800000;
inline constexpr std::uint64_t memory_b = 0x40a00000;
inline constexpr std::uint64_t iova = 0x10000000;
inline constexpr std::uint64_t mark = 0x1122334455667788;

// Leaf attributes of stage 1: AttrIndx 1, NS, AF; bit 7 on top is read-only.
inline constexpr std::uint64_t leaf = 1 << 2 | 1 << 5 | 1 << 10;
inline constexpr std::uint64_t read_only = 1 << 7;
inline constexpr std::uint64_t non_secure_table = 1ull << 63;

inline constexpr std::uint32_t narrow_format = 0x80000080;  // EAE, SL0 = 2, TSZ0 = 0

class Bench : public testing::Test {
protected:
    void boot(std::string_view name, Behaviour behaviour = {}) {
        MachineFacts facts;
        facts.product = *product(name);
        facts.behaviour = behaviour;
        boot(std::move(facts));
    }
    void boot(MachineFacts facts) {
        machine = std::make_unique<RcarMachine>(std::move(facts));
        free_table = first_tables;
    }
    void TearDown() override {
        if (expect_no_complaint && machine) {
            EXPECT_THAT(machine->complaints().all(), testing::IsEmpty());
        }
    }
    void expect_complaint(std::string_view words) {
        expect_no_complaint = false;
        EXPECT_TRUE(machine->complaints().have(words))
            << words << "\n"
            << testing::PrintToString(machine->complaints().all());
    }

    // Registers, by the addresses that a driver would use.
    std::uint64_t perform(link::Operation operation) {
        std::uint64_t value = 0;
        EXPECT_TRUE(machine->perform({&operation, 1}, {&value, 1}));
        return value;
    }
    std::uint32_t get(std::uint64_t address) {
        return std::uint32_t(perform(link::Operation::read({address}, 4)));
    }
    void put(std::uint64_t address, std::uint32_t value) {
        perform(link::Operation::write({address}, 4, value));
    }
    bool is_gen4() const { return machine->facts().product.generation == 4; }
    std::uint64_t main_base() const { return machine->facts().product.main_base; }
    std::uint64_t base(std::string_view unit) { return machine->unit(unit).facts().base; }
    std::uint64_t context(std::uint64_t unit, unsigned index, unsigned offset) const {
        if (!is_gen4()) return unit + index * 0x40 + offset;
        return unit + 0x10000 + index * 0x1040 + (index >= 8 ? 0x600 : 0) + offset;
    }
    std::uint64_t in_main(unsigned index, unsigned offset) const {
        return context(main_base(), index, offset);
    }
    std::uint64_t slot_control(std::string_view unit, unsigned slot) {
        const unsigned start = slot < 32 ? 0x300 + 16 * slot : 0x600 + 16 * (slot - 32);
        return base(unit) + (is_gen4() ? 0x3000 : 0) + start;
    }
    std::uint64_t auxiliary() const { return main_base() + (is_gen4() ? 0x1504 : 0x504); }

    // Tables.
    void store(std::uint64_t address, std::uint64_t value) {
        machine->memory().store(address, value);
        if (cleans) machine->clean({{address}, {address + 7}});
    }
    std::uint64_t load(std::uint64_t address) {
        return machine->memory().load<std::uint64_t>(address);
    }
    std::uint64_t new_table() { return std::exchange(free_table, free_table + 0x2000); }
    // A leaf at `level` with the tables above it; where it lies.
    std::uint64_t map(std::uint64_t root, std::uint64_t address, std::uint64_t output,
                      std::uint64_t attributes = leaf, unsigned level = 3,
                      std::uint64_t table_bits = non_secure_table) {
        std::uint64_t table = root;
        for (unsigned at = 1; at < level; ++at) {
            const std::uint64_t entry = entry_of(table, address, at);
            if (load(entry) == 0) store(entry, new_table() | 3 | table_bits);
            table = load(entry) & 0xfffffff000;
        }
        const std::uint64_t entry = entry_of(table, address, level);
        store(entry, output | attributes | (level == 3 ? 3 : 1));
        return entry;
    }
    static std::uint64_t entry_of(std::uint64_t table, std::uint64_t address, unsigned level) {
        const std::uint64_t index = address >> (12 + 9 * (3 - level));
        return table + 8 * (level == 1 ? index : index & 511);
    }

    // The sequences of the data sheet.
    void program(unsigned index, std::uint64_t root, std::uint32_t format = narrow_format,
                 std::uint32_t more = 0) {
        put(in_main(index, 0x10), std::uint32_t(root));
        put(in_main(index, 0x14), std::uint32_t(root >> 32));
        put(in_main(index, 0x08), format);
        put(in_main(index, 0x28), 0x5500);
        put(in_main(index, 0x20), 0);
        put(in_main(index, 0x00), 7 | more);
        wait_for_flush(index);
    }
    void join(std::string_view unit, unsigned index) { put(context(base(unit), index, 0), 7); }
    void tie(std::string_view unit, unsigned slot, unsigned index) {
        put(slot_control(unit, slot) + 8, 0);
        put(slot_control(unit, slot), index << 4 | 3);
    }
    void flush(std::initializer_list<std::string_view> units, unsigned index) {
        for (const std::string_view unit : units) put(context(base(unit), index, 0), 7);
        put(in_main(index, 0), get(in_main(index, 0)) | 2);
        wait_for_flush(index);
    }
    void wait_for_flush(unsigned index) {
        for (int i = 0; i < 100; ++i)
            if ((get(in_main(index, 0)) & 2) == 0) return;
        ADD_FAILURE() << "the flush of context " << index << " does not end";
    }

    // Masters: one word at `address`, whose memory is at `where`.
    std::uint32_t command(std::string_view name, std::uint64_t address, std::uint32_t what,
                          unsigned channel = 0) {
        const std::uint64_t at = machine->master(name).facts().base;
        put(at + Master::channel, channel);
        for (const unsigned which : {Master::source, Master::destination}) {
            put(at + which, std::uint32_t(address));
            put(at + which + 4, std::uint32_t(address >> 32));
        }
        put(at + Master::length, 8);
        put(at + Master::go, what);
        return get(at + Master::status);
    }
    bool writes(std::string_view name, std::uint64_t address, std::uint64_t where,
                unsigned channel = 0) {
        const std::uint64_t buffer = machine->master(name).facts().base + Master::buffer_offset;
        machine->memory().store(where, std::uint64_t{0});
        perform(link::Operation::write({buffer}, 8, mark));
        const std::uint32_t status = command(name, address, 2, channel);
        EXPECT_EQ(load(where) == mark, status == 0);
        return load(where) == mark;
    }
    bool reads(std::string_view name, std::uint64_t address, std::uint64_t where,
               unsigned channel = 0) {
        const std::uint64_t buffer = machine->master(name).facts().base + Master::buffer_offset;
        machine->memory().store(where, mark);
        perform(link::Operation::write({buffer}, 8, 0));
        const std::uint32_t status = command(name, address, 1, channel);
        const bool arrived = perform(link::Operation::read({buffer}, 8)) == mark;
        EXPECT_EQ(arrived, status == 0);
        return arrived;
    }

    // Fault records.
    std::uint32_t fault_status(unsigned index) { return get(in_main(index, 0x20)); }
    std::uint64_t fault_address(unsigned index) {
        return get(in_main(index, 0x30)) | std::uint64_t{get(in_main(index, 0x34))} << 32;
    }
    std::uint32_t signals() { return get(main_base() + 0x540); }

    std::unique_ptr<RcarMachine> machine;
    std::uint64_t free_table = first_tables;
    bool expect_no_complaint = true;
    bool cleans = true;
};

}  // namespace smmu::model::rcar

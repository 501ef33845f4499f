// SPDX-License-Identifier: Apache-2.0
// Bench: a machine of the model and a small driver of its units with tables made by hand.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/models/mmu500/model/machine.hpp"

namespace smmu::model::mmu500 {

// Where the driver keeps its tables, and memory that devices use.
inline constexpr std::uint64_t tables_base = 0x80100000;
inline constexpr std::uint64_t memory_a = 0x84000000;
inline constexpr std::uint64_t memory_b = 0x84400000;
inline constexpr std::uint64_t iova = 0x40000000;

// Leaves of 4 KiB tables.
inline constexpr std::uint64_t page_bits = 3, block_bits = 1;
inline constexpr std::uint64_t s2_read = 1 << 6, s2_write = 1 << 7;
inline constexpr std::uint64_t s2_base = 1 << 10 | 3 << 8 | 0xf << 2;  // AF, inner shareable, WB
inline constexpr std::uint64_t s2_rw = s2_base | s2_read | s2_write;
inline constexpr std::uint64_t s1_rw = 1 << 11 | 1 << 10 | 3 << 8 | 1 << 6;  // nG, AF, EL0
inline constexpr std::uint64_t s1_ro = s1_rw | 1 << 7;

// 4 KiB granule, 40 bits from level 1, walks inner shareable and write-back.
inline constexpr std::uint32_t tcr_s2 =
    1u << 31 | 2 << 16 | 3 << 12 | 1 << 10 | 1 << 8 | 1 << 6 | 24;
// The same for stage 1 with 39 bits; nothing of TTBR1.
inline constexpr std::uint32_t tcr_s1 = 1 << 23 | 3 << 12 | 1 << 10 | 1 << 8 | 25;
inline constexpr std::uint64_t mair = 0x44 | 0xff00 | 0x40000;
inline constexpr std::uint32_t run =
    scr0::gfre | scr0::gfie | scr0::gcfgfre | scr0::gcfgfie | scr0::usfcfg | 3 << 11;
inline constexpr std::uint32_t on = sctlr::m | sctlr::cfre | sctlr::cfie | sctlr::hupcf | 6;

class Bench : public testing::Test {
protected:
    void boot(Features features = {}, Behaviour behaviour = {}) {
        MachineFacts facts;
        facts.units = {{.features = features, .behaviour = behaviour}};
        boot(std::move(facts));
    }
    void boot(MachineFacts facts) {
        machine = std::make_unique<Mmu500Machine>(std::move(facts));
        free_table = tables_base;
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

    // Registers of unit 0 by page.
    Unit& unit(std::size_t index = 0) { return machine->unit(index); }
    const Features& features() const { return machine->facts().units[0].features; }
    std::uint64_t bank_at(unsigned bank) const {
        return std::uint64_t{features().pages() + bank} << features().page_log2();
    }
    std::uint32_t global(unsigned offset) { return std::uint32_t(unit().read(offset, 4)); }
    void set_global(unsigned offset, std::uint32_t value) { unit().write(offset, 4, value); }
    void set_global1(unsigned offset, std::uint32_t value) {
        unit().write((1ull << features().page_log2()) + offset, 4, value);
    }
    std::uint64_t in_bank(unsigned bank, unsigned offset) {
        return unit().read(bank_at(bank) + offset, Contexts::is_wide(offset) ? 8 : 4);
    }
    void set_bank(unsigned bank, unsigned offset, std::uint64_t value) {
        unit().write(bank_at(bank) + offset, Contexts::is_wide(offset) ? 8 : 4, value);
    }
    std::uint32_t stream_of_fault(unsigned bank) {
        return std::uint32_t(
            unit().read((1ull << features().page_log2()) + gr1::cbfrsynra + 4 * bank, 4));
    }

    // Everything refused, as after the sheet's "block all" and "enable MMU-500".
    void block() {
        set_global(gr0::sacr, 0);
        for (unsigned i = 0; i < features().streams(); ++i) {
            set_global(gr0::s2cr + 4 * i, 2 << 16);
            if (features().stream_matching) set_global(gr0::smr + 4 * i, 0);
        }
        for (unsigned i = 0; i < features().banks; ++i) {
            set_bank(i, cb::sctlr, 0);
            set_bank(i, cb::fsr, 0xc00001fe);
            set_bank(i, cb::actlr, 1);
        }
        set_global(gr0::sgfsr, 0xffffffff);
        set_global(gr0::tlbiallh, 0);
        set_global(gr0::tlbiallnsnh, 0);
        synchronise();
        set_global(gr0::scr0, run);
    }
    void start(Features features = {}, Behaviour behaviour = {}) {
        boot(features, behaviour);
        block();
    }
    void synchronise() {
        set_global(gr0::stlbgsync, 0);
        for (int i = 0; i < 100; ++i)
            if (global(gr0::stlbgstatus) == 0) return;
        ADD_FAILURE() << "the global sync does not end";
    }
    void synchronise(unsigned bank) {
        set_bank(bank, cb::tlbsync, 0);
        for (int i = 0; i < 100; ++i)
            if (in_bank(bank, cb::tlbstatus) == 0) return;
        ADD_FAILURE() << "the sync does not end";
    }
    void forget_page(unsigned bank, std::uint64_t address, unsigned how = cb::tlbiipas2l) {
        set_bank(bank, how, address >> 12);
        synchronise(bank);
    }

    // A bank of stage 2, VMID bank + 1.
    void set_second(unsigned bank, std::uint64_t table, std::uint32_t tcr = tcr_s2) {
        set_global1(gr1::cba2r + 4 * bank, 1);
        set_global1(gr1::cbar + 4 * bank, bank + 1);
        set_bank(bank, cb::tcr, tcr);
        set_bank(bank, cb::ttbr0, table);
        set_bank(bank, cb::sctlr, on);
    }
    // A bank of stage 1 with ASID bank; `type` 1, or 3 over the bank in `second`.
    void set_first(unsigned bank, std::uint64_t table, std::uint32_t tcr = tcr_s1,
                   unsigned type = 1, unsigned second = 0) {
        set_global1(gr1::cba2r + 4 * bank, 1);
        set_global1(gr1::cbar + 4 * bank, type << 16 | (type == 3 ? second << 8 : bank + 1));
        set_bank(bank, cb::tcr2, tcr2::as | 5);
        set_bank(bank, cb::tcr, tcr);
        set_bank(bank, cb::ttbr0, table | std::uint64_t{bank} << 48);
        set_bank(bank, cb::mair0, std::uint32_t(mair));
        set_bank(bank, cb::mair1, 0);
        set_bank(bank, cb::sctlr, on);
    }
    void lead(unsigned group, std::uint16_t stream, unsigned bank, std::uint32_t mask = 0) {
        set_global(gr0::s2cr + 4 * group, bank);
        set_global(gr0::smr + 4 * group, 1u << 31 | mask << 16 | stream);
    }
    // Stream 1 into bank 0 of stage 2 with one page.
    void start_second(Features features = {}, Behaviour behaviour = {}) {
        start(features, behaviour);
        root = new_table(2);
        entry = map(root, iova, memory_a, s2_rw);
        set_second(0, root);
        lead(0, 1, 0);
    }
    // Stream 1 into a bank of stage 1 with one page.
    void start_first(Features features = {}, Behaviour behaviour = {}) {
        start(features, behaviour);
        root = new_table();
        entry = map(root, iova, memory_a, s1_rw);
        set_first(first_bank, root);
        lead(0, 1, first_bank);
    }

    // Tables of 4 KiB granule.
    void store(std::uint64_t address, std::uint64_t value) {
        machine->memory().store(address, value);
    }
    std::uint64_t load(std::uint64_t address) {
        return machine->memory().load<std::uint64_t>(address);
    }
    // `count` tables side by side, aligned to all of them.
    std::uint64_t new_table(unsigned count = 1, std::uint64_t bytes = 4096) {
        free_table = (free_table + count * bytes - 1) / (count * bytes) * (count * bytes);
        return std::exchange(free_table, free_table + count * bytes);
    }
    // From level 1 down to a leaf of `level`. Gives the entry's address, for later changes.
    std::uint64_t map(std::uint64_t table, std::uint64_t address, std::uint64_t output,
                      std::uint64_t bits, unsigned level = 3, unsigned from = 1) {
        for (unsigned at_level = from;; ++at_level) {
            const unsigned shift = 12 + 9 * (3 - at_level);
            const std::uint64_t index =
                at_level == from ? address >> shift : address >> shift & 511;
            const std::uint64_t at = table + index * 8;
            if (at_level == level) {
                store(at, output | bits | (level == 3 ? page_bits : block_bits));
                return at;
            }
            if ((load(at) & 1) == 0) store(at, new_table() | 3);
            table = load(at) & 0xfffffffff000;
        }
    }

    // DMA. A write arrives, a read brings what is there.
    Engine& engine(std::size_t index = 0) { return machine->engine(index); }
    bool writes(std::uint64_t to, std::uint64_t memory, std::size_t which = 0) {
        store(memory, 0);
        engine(which).set_contents(0x800, mark);
        engine(which).write(0x80, 8, 0x40800);
        engine(which).write(0x88, 8, to);
        engine(which).write(0x90, 8, 8);
        engine(which).write(0x98, 8, 3);
        return load(memory) == mark;
    }
    bool reads(std::uint64_t from, std::uint64_t memory, std::size_t which = 0) {
        store(memory, mark);
        engine(which).set_contents(0, 0);
        engine(which).write(0x80, 8, from);
        engine(which).write(0x88, 8, 0x40000);
        engine(which).write(0x90, 8, 8);
        engine(which).write(0x98, 8, 1);
        return engine(which).contents(0) == mark;
    }

    static constexpr std::uint64_t mark = 0x1122334455667788;
    static constexpr unsigned first_bank = 4;
    std::unique_ptr<Mmu500Machine> machine;
    std::uint64_t free_table = tables_base;
    std::uint64_t root = 0;
    std::uint64_t entry = 0;
    bool expect_no_complaint = true;
};

}  // namespace smmu::model::mmu500

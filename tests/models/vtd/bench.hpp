// SPDX-License-Identifier: Apache-2.0
// Bench: a machine of the model and a small driver of its units, written from the specification, so
// that the model is judged by somebody else's reading of it than the service's.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/models/vtd/model/machine.hpp"
#include "tests/models/vtd/model/registers.hpp"

namespace smmu::model::vtd {

// Where the driver keeps its tables, and memory that devices use.
inline constexpr std::uint64_t root_table = 0x100000;
inline constexpr std::uint64_t context_table = 0x101000;  // of bus 0; bus N: N pages on
inline constexpr std::uint64_t queue = 0x110000;
inline constexpr std::uint64_t status_word = 0x111000;
inline constexpr std::uint64_t first_tables = 0x120000;
inline constexpr std::uint64_t memory_a = 0x800000;
inline constexpr std::uint64_t memory_b = 0x900000;
inline constexpr std::uint64_t iova = 0x40000000;

inline constexpr std::uint64_t present = 1, readable = 1, writable = 2;

class Bench : public testing::Test {
protected:
    void boot(Features features, Behaviour behaviour = {}) {
        MachineFacts facts;
        facts.units = {{.takes_all = true, .features = features, .behaviour = behaviour}};
        boot(std::move(facts));
    }
    void boot(MachineFacts facts) {
        machine = std::make_unique<VtdMachine>(std::move(facts));
        for (auto [bus, slot] : {std::pair(0, 3), {0, 4}, {1, 0}, {2, 1}, {3, 0}})
            config(std::uint16_t(bus << 8 | slot << 3), 4, 2, 6);
        free_table = first_tables;
        tail = 0;
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

    std::uint64_t perform(link::Operation operation) {
        std::uint64_t value = 0;
        EXPECT_TRUE(machine->perform({&operation, 1}, {&value, 1}));
        return value;
    }
    void config(std::uint16_t id, unsigned offset, std::uint8_t bytes, std::uint64_t value) {
        perform(link::Operation::write({config_base(0) + (std::uint64_t{id} << 12) + offset}, bytes,
                                       value));
    }
    Unit& unit(std::size_t index = 0) { return machine->unit(index); }
    void store(std::uint64_t address, std::uint64_t value) {
        machine->memory().store(address, value);
    }
    std::uint64_t load(std::uint64_t address) {
        return machine->memory().load<std::uint64_t>(address);
    }
    std::uint64_t new_table() { return std::exchange(free_table, free_table + 4096); }

    // Commands.
    std::uint32_t status() { return std::uint32_t(unit().read(reg::gsts, 4)); }
    void command(std::uint32_t bit, bool on = true) {
        const std::uint32_t keep = status() & 0x96ffffff;
        unit().write(reg::gcmd, 4, on ? keep | bit : keep & ~bit);
        const bool one_shot = bit == gcmd::flush_buffer;
        for (int i = 0; i < 100; ++i)
            if (((status() & bit) != 0) == (one_shot ? false : on)) return;
        ADD_FAILURE() << "no acknowledgement of " << std::hex << bit;
    }
    void set_root(std::uint64_t mode_bits = 0) {
        unit().write(reg::rtaddr, 8, root_table | mode_bits);
        command(gcmd::set_root);
    }
    void enable_queue(bool wide = false) {
        descriptor_bytes = wide ? 32 : 16;
        unit().write(reg::iqt, 8, 0);
        unit().write(reg::iqa, 8, queue | (wide ? 1 << 11 : 0));
        command(gcmd::queue);
    }
    void submit(std::uint64_t low, std::uint64_t high = 0) {
        store(queue + tail, low);
        store(queue + tail + 8, high);
        if (descriptor_bytes == 32) {
            store(queue + tail + 16, 0);
            store(queue + tail + 24, 0);
        }
        tail = (tail + descriptor_bytes) % 4096;
        unit().write(reg::iqt, 8, tail);
    }
    bool waits() {
        machine->memory().store(status_word, std::uint32_t{0});
        submit(5 | 1 << 5 | 0x55ull << 32, status_word);
        return machine->memory().load<std::uint32_t>(status_word) == 0x55;
    }
    void forget_contexts() { submit(1 | 1 << 4); }
    void forget_context(std::uint16_t source, std::uint16_t domain, unsigned mask = 0) {
        submit(1 | 3 << 4 | std::uint64_t{domain} << 16 | std::uint64_t{source} << 32 |
               std::uint64_t{mask} << 48);
    }
    void forget_translations() { submit(2 | 1 << 4); }
    void forget_domain(std::uint16_t domain) { submit(2 | 2 << 4 | std::uint64_t{domain} << 16); }
    void forget_pages(std::uint16_t domain, std::uint64_t address, unsigned am, bool hint = false) {
        submit(2 | 3 << 4 | std::uint64_t{domain} << 16, address | unsigned(hint) << 6 | am);
    }
    // Legacy mode, up to translation, with everything refused.
    void enable() {
        if (write_buffer) command(gcmd::flush_buffer);
        set_root();
        enable_queue();
        forget_contexts();
        forget_translations();
        EXPECT_TRUE(waits());
        command(gcmd::translation);
    }

    // Tables of legacy mode.
    void set_context(std::uint16_t source, std::uint64_t table, std::uint16_t domain,
                     unsigned levels = 4, unsigned type = 0) {
        const std::uint64_t contexts = context_table + (source >> 8) * 4096u;
        store(root_table + (source >> 8) * 16u, contexts | present);
        store(contexts + (source & 0xff) * 16u + 8, (levels - 2) | std::uint64_t{domain} << 8);
        store(contexts + (source & 0xff) * 16u, table | type << 2 | present);
    }
    void clear_context(std::uint16_t source, bool fault_disabled = false) {
        store(context_table + (source >> 8) * 4096u + (source & 0xff) * 16u,
              fault_disabled ? 2 : 0);
    }
    // Gives the entry's address, for later changes.
    std::uint64_t map(std::uint64_t table, std::uint64_t address, std::uint64_t page,
                      std::uint64_t bits = readable | writable, unsigned levels = 4,
                      unsigned leaf_level = 1, std::uint64_t branch_bits = readable | writable) {
        for (unsigned level = levels;; --level) {
            const std::uint64_t at = table + (address >> (12 + 9 * (level - 1)) & 511) * 8;
            if (level == leaf_level) {
                store(at, page | bits | (leaf_level > 1 ? 1 << 7 : 0));
                return at;
            }
            if ((load(at) & 1) == 0) store(at, new_table() | branch_bits);
            table = load(at) & ~0xfffull;
        }
    }

    // DMA. A write arrives, a read brings what is there.
    DmaDevice& a() { return machine->device(0, 3); }
    DmaDevice& b() { return machine->device(0, 4); }
    DmaDevice& ats() { return machine->device(3, 0); }
    bool writes(DmaDevice& device, std::uint64_t to, std::uint64_t memory) {
        store(memory, 0);
        device.write(0x80, 8, 0x40800);
        arm(device, 0x800);
        device.write(0x88, 8, to);
        device.write(0x90, 8, 8);
        device.write(0x98, 8, 3);
        return load(memory) == mark;
    }
    bool reads(DmaDevice& device, std::uint64_t from, std::uint64_t memory) {
        store(memory, mark);
        device.write(0x80, 8, from);
        device.write(0x88, 8, 0x40000);
        device.write(0x90, 8, 8);
        device.write(0x98, 8, 1);
        return device.contents(0) == mark;
    }
    void arm(DmaDevice& device, unsigned offset) { device.set_contents(offset, mark); }

    // Fault record `index`: reason, source, page; nothing when F is clear.
    struct Seen {
        unsigned reason;
        unsigned source;
        std::uint64_t page;
        bool was_write;
        friend bool operator==(const Seen&, const Seen&) = default;
    };
    std::optional<Seen> fault(unsigned index) {
        const std::uint64_t at = 0x200 + 16 * index;
        const std::uint64_t high = unit().read(at + 8, 8);
        if (high >> 63 == 0) return std::nullopt;
        return Seen{unsigned(high >> 32 & 0xff), unsigned(high & 0xffff), unit().read(at, 8),
                    (high >> 62 & 1) == 0};
    }
    void clear_fault(unsigned index) { unit().write(0x200 + 16 * index + 12, 4, 1u << 31); }
    std::uint32_t fault_status() { return std::uint32_t(unit().read(reg::fsts, 4)); }

    static constexpr std::uint64_t mark = 0x1122334455667788;
    static constexpr std::uint16_t id_a = 3 << 3, id_b = 4 << 3, id_ats = 3 << 8;
    std::unique_ptr<VtdMachine> machine;
    std::uint64_t free_table = first_tables;
    std::uint32_t tail = 0;
    std::uint32_t descriptor_bytes = 16;
    bool expect_no_complaint = true;
    bool write_buffer = false;
};

}  // namespace smmu::model::vtd

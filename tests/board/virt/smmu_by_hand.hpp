// SPDX-License-Identifier: Apache-2.0
// SmmuByHand: an SMMUv3 set up register by register and word by word from its specification: what a test needs to
// show that a board's unit is there and works, without the service's driver.
#pragma once

#include "base/access.hpp"
#include "tests/board/board_fixture.hpp"

namespace smmu::test {

class SmmuByHand {
public:
    enum class EventType : std::uint8_t { bad_entry = 0x04, translation = 0x10, permission = 0x13 };

    struct Event {
        EventType type;
        StreamId stream;
        std::uint64_t address;
        bool is_read;
        bool is_stage_2;
    };

    // Takes 20 pages of memory from `memory` on, which begin at a multiple of 64 KiB.
    SmmuByHand(link::Client& client, const Ram& ram, PhysAddr memory) : client_(client), ram_(ram), memory_(memory) {
        ram_.fill(memory_, pages * page, 0);
    }

    bool has_stage(unsigned stage) const { return (read(0) & (stage == 1 ? 2u : 1u)) != 0; }
    std::uint64_t read(std::uint64_t offset) const { return client_.read(virt::smmu_registers.first + offset, 4); }

    // What devices send while the unit is off: through it, or nowhere.
    void refuse_while_off(bool refuse) {
        constexpr std::uint32_t update = 1u << 31, abort = 1u << 20, shareability_as_incoming = 1u << 12;
        write(global_bypass, 4, update | shareability_as_incoming | (refuse ? abort : 0));
    }

    // Turns the unit on with an empty stream table for three buses.
    void enable() {
        constexpr std::uint32_t inner_shareable_write_back = 0xd75, record_unknown_streams = 2;
        write(queue_attributes, 4, inner_shareable_write_back);
        write(control_2, 4, record_unknown_streams);
        write(commands_base, 8, commands().value | commands_log2);
        write(commands_written, 4, 0);
        write(commands_read, 4, 0);
        write(events_base, 8, events_at().value | events_log2);
        write(events_written, 4, 0);
        write(events_read, 4, 0);
        constexpr std::uint64_t span_of_256 = 9;
        for (std::uint64_t bus = 0; bus < buses; ++bus)
            store(buses_table() + 8 * bus, 0, (streams() + bus * bus_bytes).value | span_of_256);
        constexpr std::uint32_t two_levels = 1u << 16, split_at_8 = 8u << 6, stream_bits = 16;
        write(streams_base, 8, buses_table().value);
        write(streams_configuration, 4, two_levels | split_at_8 | stream_bits);
        constexpr std::uint32_t commands_on = 8, events_on = 4, unit_on = 1;
        for (const std::uint32_t on : {commands_on, commands_on | events_on, commands_on | events_on | unit_on})
            write(control, 4, on);
    }
    void disable() { write(control, 4, 0); }
    bool is_enabled() const { return (read(control_answer) & 1) != 0; }

    // The function's stream goes through one table of that stage, which is empty. One function at a time.
    void translate(Function function, unsigned stage) {
        ram_.fill(table(1), 3 * page, 0);
        ram_.fill(context(), page, 0);
        const PhysAddr entry = streams() + raw(function.stream()) * entry_bytes;
        constexpr std::uint64_t shareability_as_incoming = 1ull << 44;
        if (stage == 1) {
            store(context(), 0, input_39_bits | 1 << 8 | 1 << 10 | 3 << 12 | no_second_table | valid_context |
                                    output_44_bits << 32 | context_64_bits | record_and_abort | own_tag | 7ull << 48);
            store(context(), 1, table(1).value);
            store(context(), 3, 0xff);  // memory attributes: write-back
            store(entry, 1, shareability_as_incoming | 1 << 2 | 1 << 4 | 3 << 6);
            store(entry, 0, 1 | 5 << 1 | context().value);
        } else {
            store(entry, 2, 7 | input_39_bits << 32 | 1ull << 38 | 1ull << 40 | 1ull << 42 | 3ull << 44 |
                                output_44_bits << 48 | 1ull << 51 | 1ull << 54 | 1ull << 58);
            store(entry, 3, table(1).value);
            store(entry, 1, shareability_as_incoming);
            store(entry, 0, 1 | 6 << 1);
        }
        invalidate();
    }

    // Maps a page of the table, after that stage's manner. All mapped pages lie in one 2 MiB.
    void map(unsigned stage, Iova iova, PhysAddr memory, Access access) {
        constexpr std::uint64_t next_table = 3, leaf = 3, accessed = 1 << 10, inner_shareable = 3 << 8;
        store(table(1) + 8 * (iova.value >> 30 & 511), 0, table(2).value | next_table);
        store(table(2) + 8 * (iova.value >> 21 & 511), 0, table(3).value | next_table);
        const bool writable = permits(access, Access::write);
        const std::uint64_t rights = stage == 1 ? 1 << 6 | (writable ? 0 : 1 << 7)             // user; read only
                                                : (writable ? 3 << 6 : 1 << 6) | 0xf << 2;  // write-back
        store(table(3) + 8 * (iova.value >> 12 & 511), 0, memory.value | leaf | accessed | inner_shareable | rights);
        invalidate();
    }

    // The refusals since the last call.
    std::vector<Event> events() {
        constexpr std::uint32_t index_and_wrap = (1u << (events_log2 + 1)) - 1, index = (1u << events_log2) - 1;
        std::vector<Event> all;
        auto next = static_cast<std::uint32_t>(read(events_read)) & index_and_wrap;
        while (next != (read(events_written) & index_and_wrap) && all.size() <= index) {
            const PhysAddr at = events_at() + 32ull * (next & index);
            const auto word = [&](unsigned i) { return ram_.load<std::uint64_t>(at + 8ull * i); };
            all.push_back({EventType(word(0) & 0xff), StreamId(word(0) >> 32), word(2), (word(1) >> 35 & 1) != 0,
                           (word(1) >> 39 & 1) != 0});
            next = (next + 1) & index_and_wrap;
        }
        write(events_read, 4, next);
        return all;
    }

private:
    static constexpr std::uint64_t page = 0x1000, pages = 20, entry_bytes = 64, bus_bytes = 256 * entry_bytes;
    static constexpr std::uint64_t buses = 3;
    static constexpr std::uint64_t commands_log2 = 5, events_log2 = 7;

    static constexpr std::uint64_t control = 0x20, control_answer = 0x24, queue_attributes = 0x28, control_2 = 0x2c;
    static constexpr std::uint64_t global_bypass = 0x44, streams_base = 0x80, streams_configuration = 0x88;
    static constexpr std::uint64_t commands_base = 0x90, commands_written = 0x98, commands_read = 0x9c;
    static constexpr std::uint64_t events_base = 0xa0, events_written = 0x100a8, events_read = 0x100ac;

    static constexpr std::uint64_t input_39_bits = 25, output_44_bits = 4, no_second_table = 1ull << 30;
    static constexpr std::uint64_t valid_context = 1ull << 31, context_64_bits = 1ull << 41;
    static constexpr std::uint64_t record_and_abort = 3ull << 45, own_tag = 1ull << 47;

    PhysAddr streams() const { return memory_; }
    PhysAddr buses_table() const { return memory_ + 12 * page; }
    PhysAddr commands() const { return memory_ + 13 * page; }
    PhysAddr events_at() const { return memory_ + 14 * page; }
    PhysAddr context() const { return memory_ + 15 * page; }
    PhysAddr table(std::uint64_t level) const { return memory_ + (15 + level) * page; }

    void write(std::uint64_t offset, std::uint8_t bytes, std::uint64_t value) {
        client_.write(virt::smmu_registers.first + offset, bytes, value);
    }
    void store(PhysAddr at, std::uint64_t word, std::uint64_t value) const { ram_.store(at + 8 * word, value); }

    // Forgets all configuration and all translations. The unit is done with it when the last write returns.
    void invalidate() {
        constexpr std::uint64_t all_configuration[] = {0x04, 31}, all_translations[] = {0x30, 0}, all_done[] = {0x46, 0};
        for (const std::uint64_t* const command : {all_configuration, all_translations, all_done}) {
            const auto next = static_cast<std::uint32_t>(read(commands_written));
            const PhysAddr at = commands() + 16ull * (next & ((1u << commands_log2) - 1));
            store(at, 0, command[0]);
            store(at, 1, command[1]);
            write(commands_written, 4, (next + 1) & ((1u << (commands_log2 + 1)) - 1));
        }
    }

    link::Client& client_;
    const Ram& ram_;
    PhysAddr memory_;
};

}  // namespace smmu::test

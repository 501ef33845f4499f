// SPDX-License-Identifier: Apache-2.0
#include "doorbell.hpp"

#include <cerrno>
#include <cstring>

#include "machine.h"

namespace demo {
namespace {

constexpr std::uint64_t valid = 1ull << 63;

// The translation service of a GICv3: it knows a device by its requester id, and marks in memory which of its interrupts
// are pending. Its memory: six tables of 64 KiB.
class Its final : public InterruptController {
public:
    Its(machine* board, const machine_buffer& memory) : board_(board), memory_(memory) {
        constexpr std::uint64_t last_id_bit = 15, page_of_64_kib = 2 << 8;
        constexpr std::uint32_t message_interrupts_on = 1, on = 1;
        machine_write64(board_, redistributor + 0x70, physical(properties) | last_id_bit);
        machine_write64(board_, redistributor + 0x78, physical(pending));
        machine_write32(board_, redistributor, message_interrupts_on);
        machine_write64(board_, its + 0x100, valid | physical(devices) | page_of_64_kib);
        machine_write64(board_, its + 0x108, valid | physical(collections) | page_of_64_kib);
        machine_write64(board_, its + 0x80, valid | physical(commands));
        machine_write32(board_, its, on);
        constexpr std::uint64_t map_collection = 9;
        command(map_collection, 0, valid);  // collection 0 to processor 0
    }

    // Each function has one event, 0, in a table of its own.
    Doorbell doorbell(const machine_device& function) override {
        const std::uint32_t requester = function.bus << 8 | function.dev << 3 | function.func;
        const std::uint64_t device = std::uint64_t{requester} << 32;
        const std::uint32_t interrupt = first_interrupt + given_;
        const std::uint64_t events_of_it = physical(events) + std::uint64_t{256} * given_++;
        constexpr std::uint64_t map_device = 8, map_interrupt = 10, event_bits = 5;
        command(map_device | device, event_bits - 1, valid | events_of_it);
        command(map_interrupt | device, std::uint64_t{interrupt} << 32, 0);
        return {0x8090040, 0, interrupt};
    }

    bool rang(const Doorbell& bell) override {
        unsigned char& byte = memory_.memory[pending * table_bytes + bell.interrupt / 8];
        const auto bit = static_cast<unsigned char>(1u << bell.interrupt % 8);
        const bool is_pending = (byte & bit) != 0;
        byte = static_cast<unsigned char>(byte & ~bit);
        return is_pending;
    }

    static constexpr std::uint64_t table_bytes = 0x10000, tables = 6;

private:
    static constexpr std::uint64_t its = 0x8080000, redistributor = 0x80a0000;
    static constexpr std::uint32_t first_interrupt = 8192;
    enum Table : std::uint64_t { devices, collections, properties, pending, commands, events };

    std::uint64_t physical(Table table) const { return memory_.physical + table * table_bytes; }

    // Carried out when the write of the queue's end returns. The few commands of the story do not run it round.
    void command(std::uint64_t first, std::uint64_t second, std::uint64_t third) {
        const std::uint64_t words[] = {first, second, third, 0};
        std::memcpy(memory_.memory + commands * table_bytes + end_, words, sizeof words);
        end_ += sizeof words;
        machine_write64(board_, its + 0x88, end_);
    }

    machine* board_;
    machine_buffer memory_;
    std::uint64_t end_ = 0;
    std::uint32_t given_ = 0;
};

// Whoever writes the number of an interrupt to the frame raises that interrupt.
class MessageFrame final : public InterruptController {
public:
    explicit MessageFrame(machine* board) : board_(board) {
        next_ = machine_read32(board_, frame + 8) >> 16 & 0x3ff;
    }

    Doorbell doorbell(const machine_device&) override {
        const Doorbell bell{frame + 0x40, next_, next_};
        ++next_;
        // Pending from the edge on, until somebody clears it.
        const std::uint64_t configuration = distributor + 0xc00 + bell.interrupt / 16 * 4;
        const std::uint32_t by_edge = 2u << bell.interrupt % 16 * 2;
        machine_write32(board_, configuration, machine_read32(board_, configuration) | by_edge);
        return bell;
    }

    bool rang(const Doorbell& bell) override {
        const std::uint64_t word = bell.interrupt / 32 * 4;
        const std::uint32_t bit = 1u << bell.interrupt % 32;
        const bool is_pending = (machine_read32(board_, distributor + 0x200 + word) & bit) != 0;
        machine_write32(board_, distributor + 0x280 + word, bit);
        return is_pending;
    }

private:
    static constexpr std::uint64_t distributor = 0x8000000, frame = 0x8020000;

    machine* board_;
    std::uint32_t next_ = 0;
};

}  // namespace

smmu::Result<std::unique_ptr<InterruptController>> interrupt_controller(machine* board, bool is_gicv2) {
    if (is_gicv2) return std::make_unique<MessageFrame>(board);
    machine_buffer memory{};
    if (machine_take_memory(board, Its::tables * Its::table_bytes, &memory) != 0)
        return smmu::fail(errno, "no memory on the board");
    return std::make_unique<Its>(board, memory);
}

}  // namespace demo

// SPDX-License-Identifier: Apache-2.0
// Doorbells of the Arm boards: where a device writes to raise an interrupt, and where that is seen without a processor
// that takes it. Set up by hand from the specification of the interrupt controllers, for tests.
//
//   test::Its its(link, ram, {0x44000000});
//   const test::Doorbell bell = its.bell(function);
//   edu.set_message({bell.address.value}, bell.data);
//   edu.raise_interrupt(1);
//   EXPECT_TRUE(its.rang(bell));
#pragma once

#include "tests/board/board_fixture.hpp"

namespace smmu::test {

// What a device has to write where, four bytes, and the interrupt that then is pending.
struct Doorbell {
    PhysAddr address;
    std::uint32_t data;
    std::uint32_t interrupt;
};

class InterruptController {
public:
    virtual ~InterruptController() = default;
    // A doorbell of that function's own.
    virtual Doorbell bell(Function function) = 0;
    // Whether it rang since the last call.
    virtual bool rang(const Doorbell& bell) = 0;
};

// The translation service of a GICv3 (gic-version=3): knows devices by their ids, and marks in memory which of its
// interrupts are pending.
class Its final : public InterruptController {
public:
    // Takes 6 * 64 KiB of memory from `memory` on, which begin at a multiple of 64 KiB.
    Its(link::Client& client, const Ram& ram, PhysAddr memory) : client_(client), ram_(ram), memory_(memory) {
        ram_.fill(memory_, 6 * block, 0);
        constexpr std::uint64_t last_id_bit = 15, message_interrupts_on = 1, valid = 1ull << 63;
        redistributor(0x70, 8, properties().value | last_id_bit);
        redistributor(0x78, 8, pending().value);
        redistributor(0x00, 4, message_interrupts_on);
        constexpr std::uint64_t page_of_64_kib = 2 << 8;
        its(0x100, 8, valid | devices().value | page_of_64_kib);
        its(0x108, 8, valid | collections().value | page_of_64_kib);
        its(0x80, 8, valid | commands().value);
        its(0x00, 4, 1);
        constexpr std::uint64_t map_collection = 9;
        command(map_collection, 0, valid);  // collection 0 to processor 0
    }

    Doorbell bell(Function function) override {
        const std::uint32_t event = next_++;
        const std::uint32_t interrupt = first_interrupt + event;
        const std::uint64_t device = std::uint64_t{raw(function.stream())} << 32;
        constexpr std::uint64_t map_device = 8, map_interrupt = 10, event_bits = 5, valid = 1ull << 63;
        command(map_device | device, event_bits - 1, valid | (events() + 256 * event).value);
        command(map_interrupt | device, event | std::uint64_t{interrupt} << 32, 0);
        return {{0x0809'0040}, event, interrupt};
    }
    bool rang(const Doorbell& bell) override {
        const PhysAddr at = pending() + bell.interrupt / 8;
        const auto byte = ram_.load<std::uint8_t>(at);
        const auto bit = static_cast<std::uint8_t>(1 << bell.interrupt % 8);
        ram_.store<std::uint8_t>(at, static_cast<std::uint8_t>(byte & ~bit));
        return (byte & bit) != 0;
    }

private:
    static constexpr std::uint64_t block = 0x1'0000;
    static constexpr std::uint32_t first_interrupt = 8192;

    PhysAddr devices() const { return memory_; }
    PhysAddr collections() const { return memory_ + block; }
    PhysAddr properties() const { return memory_ + 2 * block; }
    PhysAddr pending() const { return memory_ + 3 * block; }
    PhysAddr commands() const { return memory_ + 4 * block; }
    PhysAddr events() const { return memory_ + 5 * block; }

    void its(std::uint64_t offset, std::uint8_t bytes, std::uint64_t value) {
        client_.write(PhysAddr{0x0808'0000} + offset, bytes, value);
    }
    void redistributor(std::uint64_t offset, std::uint8_t bytes, std::uint64_t value) {
        client_.write(PhysAddr{0x080a'0000} + offset, bytes, value);
    }
    // Carried out when the write of its end returns. The queue's one page is never run round.
    void command(std::uint64_t first, std::uint64_t second, std::uint64_t third) {
        const std::uint64_t words[] = {first, second, third, 0};
        for (std::uint64_t i = 0; i < 4; ++i) ram_.store(commands() + command_end_ + 8 * i, words[i]);
        command_end_ += sizeof(words);
        SMMU_ASSERT(command_end_ < 0x1000);
        its(0x88, 8, command_end_);
    }

    link::Client& client_;
    const Ram& ram_;
    PhysAddr memory_;
    std::uint64_t command_end_ = 0;
    std::uint32_t next_ = 0;
};

// The message frame of a GICv2 (gic-version=2): whoever writes an interrupt's number to it raises that interrupt.
class MessageFrame final : public InterruptController {
public:
    explicit MessageFrame(link::Client& client) : client_(client) {
        const auto type = static_cast<std::uint32_t>(client_.read(frame + 8, 4));
        next_ = type >> 16 & 0x3ff;
        end_ = next_ + (type & 0x3ff);
    }

    Doorbell bell(Function) override {
        SMMU_ASSERT(next_ < end_);
        const Doorbell bell{frame + 0x40, next_, next_};
        ++next_;
        // Pending from the edge on, until somebody clears it.
        const PhysAddr configuration = distributor + 0xc00 + bell.interrupt / 16 * 4;
        client_.write(configuration, 4, client_.read(configuration, 4) | 2u << bell.interrupt % 16 * 2);
        return bell;
    }
    bool rang(const Doorbell& bell) override {
        const std::uint64_t word = bell.interrupt / 32 * 4, bit = 1u << bell.interrupt % 32;
        const bool is_pending = (client_.read(distributor + 0x200 + word, 4) & bit) != 0;
        client_.write(distributor + 0x280 + word, 4, bit);
        return is_pending;
    }

private:
    static constexpr PhysAddr distributor{0x0800'0000}, frame{0x0802'0000};

    link::Client& client_;
    std::uint32_t next_ = 0, end_ = 0;
};

}  // namespace smmu::test

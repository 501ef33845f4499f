// SPDX-License-Identifier: Apache-2.0
// E1000: a small driver of an 82540EM network controller in loopback, for tests. One packet makes the device read a
// descriptor and a buffer, and then read a descriptor and write a buffer: all at once, when send() rings.
#pragma once

#include "tests/board/board_fixture.hpp"

namespace smmu::test {

class E1000 {
public:
    static constexpr std::uint64_t packet_bytes = 256;

    // One page each, at equal device addresses.
    struct Memory {
        PhysAddr sent_ring, sent, received_ring, received;
    };

    E1000(link::Client& client, const Ram& ram, Function function, const Memory& memory)
        : client_(client), ram_(ram), function_(function), memory_(memory) {}

    // Puts the controller into loopback. QEMU's drops what comes in the moment after its receiver was set up: send again.
    void start() {
        constexpr std::uint16_t memory_and_master = 6;
        constexpr std::uint32_t reset = 1u << 26, link_up = 1u << 6;
        client_.write(config(4), 2, memory_and_master);
        bar_ = {client_.read(config(0x10), 4) & ~std::uint64_t{15}};
        write(control, reset);
        write(control, link_up);
        // PHY register 0 (control), of PHY 1: loopback at 1000 Mb/s, full duplex.
        constexpr std::uint32_t loopback = 0x4140, phy_1 = 1u << 21, phy_write = 1u << 26;
        write(phy, loopback | phy_1 | phy_write);
        constexpr std::uint32_t enable = 2, promiscuous = 8, loop = 3u << 6, broadcast = 1u << 15;
        write(receive_control, enable | promiscuous | loop | broadcast);
        constexpr std::uint32_t pad = 8;
        write(transmit_control, enable | pad);
    }

    // Empty rings, with one buffer to receive into.
    void empty_rings() {
        ring(received_base, memory_.received_ring);
        ring(sent_base, memory_.sent_ring);
        descriptor(memory_.received_ring, memory_.received, 0, 0);
        write(received_base + tail, entries - 1);
    }

    // Sends the packet that lies at `sent`, which comes back at `received`. Nothing says whether it arrived but memory.
    void send() {
        constexpr std::uint32_t end_of_packet = 1, checksum = 2, report = 8;
        descriptor(memory_.sent_ring, memory_.sent, packet_bytes, end_of_packet | checksum | report);
        write(sent_base + tail, 1);
    }
    // Fills the packet with something that no other call of it has. It goes to one station, not to a group of them.
    void compose(std::uint8_t number) {
        for (std::uint64_t i = 0; i < packet_bytes; ++i)
            ram_.store<std::uint8_t>(memory_.sent + i, std::uint8_t(number + 3 * i));
        constexpr std::uint8_t one_station = 2;
        ram_.store<std::uint8_t>(memory_.sent, one_station);
    }
    bool arrived() const {
        return std::ranges::equal(ram_.at(memory_.sent, packet_bytes), ram_.at(memory_.received, packet_bytes));
    }

private:
    static constexpr std::uint64_t control = 0x0, phy = 0x20, receive_control = 0x100, transmit_control = 0x400;
    static constexpr std::uint64_t received_base = 0x2800, sent_base = 0x3800;  // rings: low, high, length
    static constexpr std::uint64_t high = 4, length = 8, head = 0x10, tail = 0x18;
    static constexpr std::uint32_t entries = 8, entry_bytes = 16;

    void ring(std::uint64_t base, PhysAddr at) {
        ram_.fill(at, entries * entry_bytes, 0);
        write(base, std::uint32_t(at.value));
        write(base + high, 0);
        write(base + length, entries * entry_bytes);
        write(base + head, 0);
        write(base + tail, 0);
    }
    void descriptor(PhysAddr at, PhysAddr buffer, std::uint64_t bytes, std::uint32_t command) {
        ram_.store<std::uint64_t>(at, buffer.value);
        ram_.store<std::uint64_t>(at + 8, bytes | std::uint64_t{command} << 24);
    }
    PhysAddr config(std::uint64_t offset) const {
        return config_space(client_, function_) + offset;
    }
    void write(std::uint64_t at, std::uint32_t value) { client_.write(bar_ + at, 4, value); }

    link::Client& client_;
    const Ram& ram_;
    Function function_;
    Memory memory_;
    PhysAddr bar_{};
};

}  // namespace smmu::test

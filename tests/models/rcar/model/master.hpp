// SPDX-License-Identifier: Apache-2.0
// Master: a bus master that does DMA on command. Registers, 32 bits each:
//
//   0x00  identity: "rcar", as read by a little-endian processor
//   0x04  how many channels; each has a micro-TLB of its own
//   0x08  the channel that the next command is for
//   0x10, 0x14  source, low and high; 0x18, 0x1c  destination
//   0x20  bytes, at most buffer_bytes
//   0x24  go: 1 memory at the source to the buffer, 2 the buffer to memory at the destination, 3
//   both 0x28  status of the last command: 0 done, 1 a read was refused, 2 a write was refused 0x2c
//   refused commands so far 0x800 the buffer
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>

#include "tests/models/rcar/model/product.hpp"

namespace smmu::model::rcar {

class Master {
public:
    static constexpr std::uint64_t window_bytes = 0x1000;
    static constexpr unsigned buffer_offset = 0x800;
    static constexpr unsigned buffer_bytes = 0x800;
    static constexpr std::uint32_t identity = 0x72616372;
    enum Register : unsigned {
        channels = 0x04,
        channel = 0x08,
        source = 0x10,
        destination = 0x18,
        length = 0x20,
        go = 0x24,
        status = 0x28,
        refused = 0x2c
    };

    // Carries out an access within a page through micro-TLB `slot`; false: refused.
    using Bus = std::function<bool(unsigned slot, std::uint64_t address, std::span<std::byte> bytes,
                                   bool write)>;

    Master(const MasterFacts& facts, Bus bus) : facts_(facts), bus_(std::move(bus)) {}

    const MasterFacts& facts() const { return facts_; }
    // 4 or 8 bytes, naturally aligned.
    std::uint64_t read(unsigned offset, unsigned bytes) const;
    void write(unsigned offset, unsigned bytes, std::uint64_t value);

private:
    std::uint32_t word(unsigned offset) const;
    std::uint64_t address(unsigned offset) const;
    void start(std::uint32_t what);
    bool transfer(std::uint64_t address, std::span<std::byte> bytes, bool write);

    MasterFacts facts_;
    Bus bus_;
    std::array<std::byte, window_bytes> memory_{};  // registers and the buffer
};

}  // namespace smmu::model::rcar

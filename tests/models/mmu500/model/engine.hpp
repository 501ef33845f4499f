// SPDX-License-Identifier: Apache-2.0
// Engine: a DMA engine with 4 KiB of memory and the registers of QEMU's edu, at an address of its
// own instead of behind PCI:
//
//   0x00  identity 0x010000ed
//   0x80  source, 0x88 destination, 0x90 bytes (at most 4096); its own memory is at 0x40000
//   0x98  command: bit 0 begins and stays set while a transfer is stalled, bit 1 out of its memory
//   0xa0  bits 15:0 which of its streams, by place; bit 16 privileged
//   0xa8  status of the last transfer: 0 done, 1 aborted, 2 stalled; 0xb0 accesses aborted so far
#pragma once

#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <span>
#include <vector>

#include "tests/models/mmu500/model/request.hpp"

namespace smmu::model::mmu500 {

class Engine {
public:
    static constexpr std::uint64_t window_bytes = 0x100000;

    // Carries out a request on memory; the outcome is as the unit gave it, and aborted where no
    // memory answers.
    using Bus = std::function<Outcome(const Request&, std::span<std::byte>)>;

    Engine(std::vector<std::uint16_t> streams, Bus bus)
        : streams_(std::move(streams)), bus_(std::move(bus)) {}

    std::uint64_t read(unsigned offset, unsigned bytes) const;
    void write(unsigned offset, unsigned bytes, std::uint64_t value);
    // The driver resumes what `bank` has stalled.
    void resume(unsigned bank, bool terminate);

    // Its memory, for tests in the same process.
    std::uint64_t contents(unsigned offset) const {
        std::uint64_t value = 0;
        std::memcpy(&value, &memory_[offset], sizeof value);
        return value;
    }
    void set_contents(unsigned offset, std::uint64_t value) {
        std::memcpy(&memory_[offset], &value, sizeof value);
    }

private:
    static constexpr unsigned memory_offset = 0x40000;
    static constexpr unsigned memory_bytes = 4096;

    struct Transfer {
        Request request;
        std::span<std::byte> rest;
        unsigned bank = 0;  // that stalls it
        bool stalled = false;
    };

    void start(std::uint64_t command);
    void go_on();
    void end(bool aborted);

    std::vector<std::uint16_t> streams_;
    Bus bus_;
    std::array<std::byte, memory_bytes> memory_{};
    std::map<unsigned, std::uint64_t> words_;
    Transfer transfer_;
};

}  // namespace smmu::model::mmu500

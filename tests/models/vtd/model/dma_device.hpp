// SPDX-License-Identifier: Apache-2.0
// DmaDevice: the registers of QEMU's edu, and more that choose what its requests look like:
//
//   0xa0  bits 1:0 address type (0 untranslated, 1 translation request, 2 translated, 3 by its own
//         device TLB), 2 no snoop, 3 with PASID, 51:32 PASID
//   0xa8  what the last translation request gave: page, bit 0 readable, bit 1 writable
//   0xb0  address of the storm; 0xb8: how many writes of 4 bytes to send there, at once
//   0xc0  accesses carried out without snoop; 0xc8: refused ones; 0xd0: interrupts sent
#pragma once

#include <array>
#include <cstring>
#include <functional>
#include <map>
#include <span>

#include "tests/models/vtd/model/pci_function.hpp"
#include "tests/models/vtd/model/request.hpp"

namespace smmu::model::vtd {

class DmaDevice {
public:
    // Carries out a request (all but its source is filled in) on memory; the outcome is as the unit
    // gave it, and refused where no memory answers.
    using Bus = std::function<Outcome(Request, std::span<std::byte>)>;

    DmaDevice(PciFunction& function, Bus bus) : function_(function), bus_(std::move(bus)) {}

    PciFunction& function() { return function_; }
    std::uint64_t read(unsigned offset, unsigned bytes) const;
    void write(unsigned offset, unsigned bytes, std::uint64_t value);
    void forget_translations(std::uint64_t address, std::uint64_t bytes);

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

    void start(std::uint64_t command);
    void storm(std::uint64_t count);
    void interrupt();
    // One page at most.
    void access(std::uint64_t address, std::span<std::byte> bytes, bool write);
    Outcome translate(std::uint64_t address, bool write);

    PciFunction& function_;
    Bus bus_;
    std::array<std::byte, memory_bytes> memory_{};
    std::map<unsigned, std::uint64_t> words_;
    std::map<std::uint64_t, Outcome> translations_;  // the device TLB, by page
};

}  // namespace smmu::model::vtd

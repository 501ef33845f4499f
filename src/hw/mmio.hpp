// SPDX-License-Identifier: Apache-2.0
// Mmio: the registers of one device. A port: a board, a real machine, a model, a recorder stand behind it.
#pragma once

#include <cstdint>

namespace smmu::hw {

// Offsets are in bytes from the start of the mapped range and naturally aligned. A register access that
// cannot be carried out any more (the board is gone) reads as all ones, as on a bus, and writes vanish.
class Mmio {
public:
    virtual ~Mmio() = default;
    virtual std::uint32_t read32(std::uint64_t offset) noexcept = 0;
    virtual std::uint64_t read64(std::uint64_t offset) noexcept = 0;
    virtual void write32(std::uint64_t offset, std::uint32_t value) noexcept = 0;
    virtual void write64(std::uint64_t offset, std::uint64_t value) noexcept = 0;
};

}  // namespace smmu::hw

// SPDX-License-Identifier: Apache-2.0
// MadtBytes: an MADT of an Arm machine made by hand, structure by structure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace smmu::test {

class MadtBytes {
public:
    MadtBytes() : bytes_(44) {
        for (unsigned i = 0; i < 4; ++i) bytes_[i] = std::byte("APIC"[i]);
    }
    MadtBytes& distributor(std::uint64_t base, unsigned version) {
        number(0x0c, 1), number(24, 1), number(0, 6), number(base, 8), number(0, 4), number(version, 1), number(0, 3);
        return *this;
    }
    MadtBytes& cpu(std::uint64_t interface, std::uint64_t redistributor) {
        number(0x0b, 1), number(80, 1), number(0, 30), number(interface, 8), number(0, 20), number(redistributor, 8), number(0, 12);
        return *this;
    }
    MadtBytes& redistributors(std::uint64_t base, std::uint32_t bytes) {
        number(0x0e, 1), number(16, 1), number(0, 2), number(base, 8), number(bytes, 4);
        return *this;
    }
    MadtBytes& its(std::uint32_t id, std::uint64_t base) {
        number(0x0f, 1), number(20, 1), number(0, 2), number(id, 4), number(base, 8), number(0, 4);
        return *this;
    }
    MadtBytes& message_frame(std::uint32_t id, std::uint64_t base) {
        number(0x0d, 1), number(24, 1), number(0, 2), number(id, 4), number(base, 8), number(0, 8);
        return *this;
    }
    MadtBytes& raw(std::vector<unsigned> values) {
        for (const unsigned value : values) number(value, 1);
        return *this;
    }
    std::vector<std::byte> table() const {
        auto table = bytes_;
        for (unsigned i = 0; i < 4; ++i) table[4 + i] = std::byte(table.size() >> (8 * i));
        unsigned sum = 0;
        for (const std::byte byte : table) sum += std::to_integer<unsigned>(byte);
        table[9] = std::byte(0x100 - (sum & 0xff));
        return table;
    }

private:
    void number(std::uint64_t value, unsigned bytes) {
        for (unsigned i = 0; i < bytes; ++i) bytes_.push_back(i < 8 ? std::byte(value >> (8 * i)) : std::byte{0});
    }
    std::vector<std::byte> bytes_;
};

}  // namespace smmu::test

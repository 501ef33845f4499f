// SPDX-License-Identifier: Apache-2.0
// AcpiBytes: an ACPI table made by hand, number by number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace smmu::test {

// Makes the bytes sum to zero again, in the checksum's byte.
inline void fix_checksum(std::vector<std::byte>& table) {
    constexpr std::size_t at = 9;
    table[at] = std::byte{0};
    unsigned sum = 0;
    for (const std::byte byte : table) sum += std::to_integer<unsigned>(byte);
    table[at] = std::byte(0x100 - (sum & 0xff));
}

// The same, and the header says how many bytes there are. Nothing for a table that has no header.
inline void seal(std::vector<std::byte>& table) {
    constexpr std::size_t header_bytes = 36, length_at = 4;
    if (table.size() < header_bytes) return;
    for (unsigned i = 0; i < 4; ++i) table[length_at + i] = std::byte(table.size() >> (8 * i));
    fix_checksum(table);
}

class AcpiBytes {
public:
    std::vector<std::byte> table() const {
        auto table = bytes_;
        seal(table);
        return table;
    }

protected:
    // `fixed`: bytes before the first structure.
    AcpiBytes(std::string_view signature, std::size_t fixed) {
        text(signature);
        bytes_.resize(fixed);
    }
    void number(std::uint64_t value, unsigned bytes) {
        for (unsigned i = 0; i < bytes; ++i) bytes_.push_back(i < 8 ? std::byte(value >> (8 * i)) : std::byte{0});
    }
    void text(std::string_view letters) {
        for (const char letter : letters) bytes_.push_back(std::byte(static_cast<unsigned char>(letter)));
    }

    std::vector<std::byte> bytes_;
};

}  // namespace smmu::test

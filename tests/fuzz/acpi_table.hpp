// SPDX-License-Identifier: Apache-2.0
// What a fuzzer makes up becomes an ACPI table: signature, length and checksum are made right, so that it gets past them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace smmu::test {

inline std::vector<std::byte> acpi_table(const std::uint8_t* data, std::size_t size, std::string_view signature) {
    constexpr std::size_t header_bytes = 36, length_at = 4, checksum_at = 9;
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i < size; ++i) bytes.push_back(std::byte(data[i]));
    if (size < header_bytes) return bytes;
    for (unsigned i = 0; i < 4; ++i) {
        bytes[i] = std::byte(static_cast<unsigned char>(signature[i]));
        bytes[length_at + i] = std::byte(size >> (8 * i));
    }
    bytes[checksum_at] = std::byte{0};
    unsigned sum = 0;
    for (const std::byte byte : bytes) sum += std::to_integer<unsigned>(byte);
    bytes[checksum_at] = std::byte(0x100 - (sum & 0xff));
    return bytes;
}

}  // namespace smmu::test

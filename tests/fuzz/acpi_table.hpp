// SPDX-License-Identifier: Apache-2.0
// What a fuzzer makes up becomes an ACPI table: signature, length and checksum are made right, so that it gets past them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tests/unit/firmware/acpi_bytes.hpp"

namespace smmu::test {

inline std::vector<std::byte> acpi_table(const std::uint8_t* data, std::size_t size, std::string_view signature) {
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i < size; ++i) bytes.push_back(std::byte(data[i]));
    for (std::size_t i = 0; i < signature.size() && i < size; ++i) bytes[i] = std::byte(static_cast<unsigned char>(signature[i]));
    seal(bytes);
    return bytes;
}

}  // namespace smmu::test

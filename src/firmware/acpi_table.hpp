// SPDX-License-Identifier: Apache-2.0
// AcpiTable: an ACPI table whose header has been checked (ACPI 6.5, 5.2.6).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/byte_reader.hpp"
#include "base/result.hpp"
#include "topology/topology.hpp"

namespace smmu::firmware {

inline constexpr std::size_t acpi_header_bytes = 36;

struct AcpiTable {
    std::string name;  // "DMAR": findings say "DMAR+0x30"
    ByteReader bytes;  // exactly as many as its header says
    bool sum_is_wrong = false;  // only where that is tolerated

    topology::Origin at(std::size_t offset) const;
    // What lies behind the header and `fixed` more bytes; empty when the table ends before.
    ByteReader body(std::size_t fixed) const;
};

// What becomes of a table whose bytes do not sum to zero.
enum class WrongSum : std::uint8_t { refused, tolerated };

// Checks signature, length and checksum. EINVAL with the reason when the table cannot be trusted at
// all.
Result<AcpiTable> open_table(std::span<const std::byte> bytes, std::string_view signature,
                             WrongSum wrong_sum = WrongSum::refused);

}  // namespace smmu::firmware

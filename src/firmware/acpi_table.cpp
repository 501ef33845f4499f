// SPDX-License-Identifier: Apache-2.0
#include "firmware/acpi_table.hpp"

#include <fmt/format.h>

namespace smmu::firmware {

topology::Origin AcpiTable::at(std::size_t offset) const {
    return {fmt::format("{}+{:#x}", name, offset)};
}

ByteReader AcpiTable::body(std::size_t fixed) const {
    const std::size_t start = acpi_header_bytes + fixed;
    if (start >= bytes.size()) return ByteReader({});
    return ByteReader(bytes.bytes().subspan(start));
}

Result<AcpiTable> open_table(std::span<const std::byte> bytes, std::string_view signature,
                             WrongSum wrong_sum) {
    const ByteReader reader(bytes);
    if (bytes.size() < acpi_header_bytes)
        return fail(
            EINVAL,
            fmt::format("{}: {} bytes are too few for a table's header; the table is refused",
                        signature, bytes.size()));
    for (std::size_t i = 0; i < signature.size(); ++i)
        if (reader.at<std::uint8_t>(i) != std::uint8_t(signature[i]))
            return fail(
                EINVAL,
                fmt::format("{}: the signature at offset 0 is another one; the table is refused",
                            signature));
    const std::size_t length = reader.at<std::uint32_t>(4).value_or(0);
    const auto table = reader.slice(0, length);
    if (length < acpi_header_bytes || !table)
        return fail(
            EINVAL,
            fmt::format("{}: the header says {} bytes but {} are there; the table is refused",
                        signature, length, bytes.size()));
    unsigned sum = 0;
    for (const std::byte byte : table->bytes()) sum += std::to_integer<unsigned>(byte);
    const bool sum_is_wrong = (sum & 0xff) != 0;
    if (sum_is_wrong && wrong_sum == WrongSum::refused)
        return fail(
            EINVAL,
            fmt::format("{}: the bytes sum to {:#04x} and not to 0, so the table was changed or "
                        "damaged; it is refused",
                        signature, sum & 0xff));
    return AcpiTable{std::string(signature), *table, sum_is_wrong};
}

}  // namespace smmu::firmware

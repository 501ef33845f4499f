// SPDX-License-Identifier: Apache-2.0
#include "board/acpi_tables.hpp"

#include <fmt/format.h>

#include <cstring>
#include <optional>
#include <string_view>

#include "base/byte_reader.hpp"
#include "link/wire.hpp"

namespace smmu::board {
namespace {

// Where a PC's firmware puts the root pointer, on a 16-byte boundary (ACPI 5.2.5.1).
constexpr std::size_t root_area_first = 0xe0000;
constexpr std::size_t root_area_end = 0x100000;
constexpr std::size_t root_step = 16;
constexpr std::size_t root_checked_bytes = 20;  // covered by the first checksum

constexpr std::size_t table_header_bytes = 36;
constexpr std::uint32_t max_table_bytes = 1u << 20;

std::string text_at(const ByteReader& ram, std::size_t offset, std::size_t length) {
    const auto bytes = ram.slice(offset, length);
    if (!bytes) return {};
    return std::string(reinterpret_cast<const char*>(bytes->bytes().data()), length);
}

// The signature alone is not enough: the firmware's own code holds it too.
std::optional<ByteReader> find_root(const ByteReader& ram) {
    for (std::size_t at = root_area_first; at < root_area_end; at += root_step) {
        if (text_at(ram, at, 8) != "RSD PTR ") continue;
        const auto checked = ram.slice(at, root_checked_bytes);
        if (!checked) continue;
        unsigned sum = 0;
        for (const std::byte byte : checked->bytes()) sum += std::to_integer<unsigned>(byte);
        if (sum % 256 == 0) return ram.slice(at, root_step * 3);
    }
    return std::nullopt;
}

Result<link::FirmwareTable> table_at(const ByteReader& ram, std::uint64_t address) {
    const auto length = ram.at<std::uint32_t>(address + 4);
    if (!length || *length < table_header_bytes || *length > max_table_bytes)
        return fail(EILSEQ,
                    fmt::format("firmware points to a table at {:#x} that cannot be one", address));
    const auto bytes = ram.slice(address, *length);
    if (!bytes) return fail(EILSEQ, fmt::format("the firmware table at {:#x} leaves RAM", address));
    return link::FirmwareTable{
        text_at(ram, address, 4), address, {bytes->bytes().begin(), bytes->bytes().end()}};
}

}  // namespace

Result<std::vector<link::FirmwareTable>> read_acpi_tables(std::span<const std::byte> bytes) {
    const ByteReader ram(bytes);
    const auto root = find_root(ram);
    if (!root) return fail(ENOENT, "firmware left no ACPI root pointer in 0xe0000-0xfffff");
    const std::uint8_t revision = root->at<std::uint8_t>(15).value_or(0);
    const std::uint64_t extended = root->at<std::uint64_t>(24).value_or(0);
    const bool is_extended = revision >= 2 && extended != 0;
    const std::uint64_t list_address =
        is_extended ? extended : root->at<std::uint32_t>(16).value_or(0);
    SMMU_TRY(const link::FirmwareTable list, table_at(ram, list_address));

    const ByteReader entries(list.bytes);
    const std::size_t entry_bytes = is_extended ? 8 : 4;
    std::vector<link::FirmwareTable> tables;
    for (std::size_t at = table_header_bytes; at + entry_bytes <= entries.size();
         at += entry_bytes) {
        if (tables.size() == link::max_tables)
            return fail(EILSEQ,
                        fmt::format("firmware lists more than {} tables", link::max_tables));
        const std::uint64_t address =
            is_extended ? *entries.at<std::uint64_t>(at) : *entries.at<std::uint32_t>(at);
        SMMU_TRY(link::FirmwareTable table, table_at(ram, address));
        tables.push_back(std::move(table));
    }
    return tables;
}

}  // namespace smmu::board

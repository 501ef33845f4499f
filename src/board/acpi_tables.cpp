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

constexpr std::size_t root_step = 16;
constexpr std::size_t root_bytes = 36;
constexpr std::size_t root_checked_bytes = 20;  // covered by the first checksum

constexpr std::size_t table_header_bytes = 36;
constexpr std::uint32_t max_table_bytes = 1u << 20;

// RAM by physical addresses.
class Memory {
public:
    Memory(std::span<const std::byte> ram, PhysAddr base) : ram_(ram), base_(base) {}

    std::optional<ByteReader> slice(PhysAddr address, std::size_t length) const {
        if (address < base_) return std::nullopt;
        return ram_.slice(address - base_, length);
    }
    std::string text(PhysAddr address, std::size_t length) const {
        const auto bytes = slice(address, length);
        if (!bytes) return {};
        return std::string(reinterpret_cast<const char*>(bytes->bytes().data()), length);
    }

private:
    ByteReader ram_;
    PhysAddr base_;
};

// The signature alone is not enough: the firmware's own code holds it too.
std::optional<ByteReader> find_root(const Memory& memory, PhysRange area) {
    for (PhysAddr at = area.first; at < area.last; at = at + root_step) {
        if (memory.text(at, 8) != "RSD PTR ") continue;
        const auto checked = memory.slice(at, root_checked_bytes);
        if (!checked) continue;
        unsigned sum = 0;
        for (const std::byte byte : checked->bytes()) sum += std::to_integer<unsigned>(byte);
        if (sum % 256 == 0) return memory.slice(at, root_bytes);
    }
    return std::nullopt;
}

Result<link::FirmwareTable> table_at(const Memory& memory, PhysAddr address) {
    const auto header = memory.slice(address, table_header_bytes);
    const std::uint32_t length = header ? *header->at<std::uint32_t>(4) : 0;
    if (length < table_header_bytes || length > max_table_bytes)
        return fail(EILSEQ, fmt::format("firmware points to a table at {:#x} that cannot be one",
                                        address.value));
    const auto bytes = memory.slice(address, length);
    if (!bytes)
        return fail(EILSEQ, fmt::format("the firmware table at {:#x} leaves RAM", address.value));
    return link::FirmwareTable{
        memory.text(address, 4), address.value, {bytes->bytes().begin(), bytes->bytes().end()}};
}

}  // namespace

Result<std::vector<link::FirmwareTable>> read_acpi_tables(std::span<const std::byte> ram,
                                                          PhysAddr base, PhysRange root_area) {
    const Memory memory(ram, base);
    const auto root = find_root(memory, root_area);
    if (!root)
        return fail(ENOENT, fmt::format("firmware left no ACPI root pointer in {:#x}-{:#x}",
                                        root_area.first.value, root_area.last.value));
    const std::uint8_t revision = root->at<std::uint8_t>(15).value_or(0);
    const std::uint64_t extended = root->at<std::uint64_t>(24).value_or(0);
    const bool is_extended = revision >= 2 && extended != 0;
    const std::uint64_t list_address =
        is_extended ? extended : root->at<std::uint32_t>(16).value_or(0);
    SMMU_TRY(const link::FirmwareTable list, table_at(memory, {list_address}));

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
        SMMU_TRY(link::FirmwareTable table, table_at(memory, {address}));
        tables.push_back(std::move(table));
    }
    return tables;
}

}  // namespace smmu::board

// SPDX-License-Identifier: Apache-2.0
#include "board/table_loader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <string_view>

#include "base/byte_reader.hpp"

namespace smmu::board {
namespace {

// Each command has 128 bytes: what to do, then its words.
constexpr std::size_t command_bytes = 128;
enum class Command : std::uint32_t { nothing = 0, allocate = 1, add_pointer = 2, add_checksum = 3 };

constexpr std::size_t name_bytes = 56;
constexpr std::size_t first_name = 4;           // the file that the command changes or places
constexpr std::size_t second_name = 60;         // add_pointer: the file that is pointed to
constexpr std::size_t allocate_alignment = 60;  // bytes
constexpr std::size_t pointer_offset = 116;     // in the first file
constexpr std::size_t pointer_bytes = 120;
constexpr std::size_t checksum_offset = 60;  // in the file; then the range that it covers
constexpr std::size_t checksum_start = 64;
constexpr std::size_t checksum_length = 68;

class Loader {
public:
    Loader(const ReadFile& read_file, PhysRange area)
        : read_file_(read_file), next_(area.first.value), area_(area) {}

    Result<void> carry_out(const ByteReader& command);
    std::vector<LoadedFile> take() { return std::move(files_); }

private:
    Result<void> allocate(const ByteReader& command);
    Result<void> add_pointer(const ByteReader& command);
    Result<void> add_checksum(const ByteReader& command);
    Result<LoadedFile*> file(const ByteReader& command, std::size_t name_at);

    const ReadFile& read_file_;
    std::uint64_t next_;
    PhysRange area_;
    std::vector<LoadedFile> files_;
};

std::string name_at(const ByteReader& command, std::size_t offset) {
    std::string name;
    for (const std::byte byte : command.slice(offset, name_bytes)->bytes()) {
        if (byte == std::byte{0}) break;
        name.push_back(static_cast<char>(byte));
    }
    return name;
}

Result<void> Loader::carry_out(const ByteReader& command) {
    switch (static_cast<Command>(*command.at<std::uint32_t>(0))) {
        case Command::nothing:
            return {};
        case Command::allocate:
            return allocate(command);
        case Command::add_pointer:
            return add_pointer(command);
        case Command::add_checksum:
            return add_checksum(command);
    }
    return fail(EILSEQ, fmt::format("the table loader has a command {} that is not known",
                                    *command.at<std::uint32_t>(0)));
}

Result<LoadedFile*> Loader::file(const ByteReader& command, std::size_t name_offset) {
    const std::string name = name_at(command, name_offset);
    const auto found = std::find_if(files_.begin(), files_.end(),
                                    [&](const LoadedFile& loaded) { return loaded.name == name; });
    if (found == files_.end())
        return fail(EILSEQ,
                    fmt::format("the table loader names '{}', which it did not place", name));
    return &*found;
}

Result<void> Loader::allocate(const ByteReader& command) {
    const std::string name = name_at(command, first_name);
    const std::uint32_t alignment = *command.at<std::uint32_t>(allocate_alignment);
    if (!std::has_single_bit(alignment))
        return fail(EILSEQ, fmt::format("the table loader aligns '{}' to {}", name, alignment));
    if (file(command, first_name))
        return fail(EILSEQ, fmt::format("the table loader places '{}' twice", name));
    SMMU_TRY(std::vector<std::byte> bytes, read_file_(name));
    const PhysAddr address{(next_ + alignment - 1) & ~(std::uint64_t{alignment} - 1)};
    const auto range = PhysRange::from_length(address, std::max<std::size_t>(bytes.size(), 1));
    if (!range || !area_.contains(*range))
        return fail(ENOSPC, fmt::format("'{}' of {} bytes does not fit into {:#x}-{:#x}", name,
                                        bytes.size(), area_.first.value, area_.last.value));
    next_ = range->last.value + 1;
    files_.push_back({name, address, std::move(bytes)});
    return {};
}

// What lies there is an offset into the other file.
Result<void> Loader::add_pointer(const ByteReader& command) {
    SMMU_TRY(LoadedFile* const pointing, file(command, first_name));
    SMMU_TRY(const LoadedFile* const pointed, file(command, second_name));
    const std::uint32_t offset = *command.at<std::uint32_t>(pointer_offset);
    const std::uint8_t bytes = *command.at<std::uint8_t>(pointer_bytes);
    const bool is_width = bytes <= 8 && std::has_single_bit(bytes);
    if (!is_width || !ByteReader(pointing->bytes).slice(offset, bytes))
        return fail(EILSEQ,
                    fmt::format("the table loader wants {} bytes of pointer at {:#x} of '{}'",
                                bytes, offset, pointing->name));
    std::uint64_t value = 0;
    for (unsigned i = 0; i < bytes; ++i)
        value |= std::to_integer<std::uint64_t>(pointing->bytes[offset + i]) << (8 * i);
    value += pointed->address.value;
    if (bytes < 8 && value >> (8 * bytes) != 0)
        return fail(EILSEQ, fmt::format("address {:#x} does not fit into a pointer of {} bytes",
                                        value, bytes));
    for (unsigned i = 0; i < bytes; ++i) pointing->bytes[offset + i] = std::byte(value >> (8 * i));
    return {};
}

// The byte makes all bytes of its range sum to zero.
Result<void> Loader::add_checksum(const ByteReader& command) {
    SMMU_TRY(LoadedFile* const loaded, file(command, first_name));
    const std::uint32_t offset = *command.at<std::uint32_t>(checksum_offset);
    const std::uint32_t start = *command.at<std::uint32_t>(checksum_start);
    const std::uint32_t length = *command.at<std::uint32_t>(checksum_length);
    const auto covered = ByteReader(loaded->bytes).slice(start, length);
    if (!covered || offset >= loaded->bytes.size())
        return fail(EILSEQ,
                    fmt::format("the table loader wants a checksum outside '{}'", loaded->name));
    loaded->bytes[offset] = std::byte{0};
    unsigned sum = 0;
    for (const std::byte byte : covered->bytes()) sum += std::to_integer<unsigned>(byte);
    loaded->bytes[offset] = std::byte(256 - sum % 256);
    return {};
}

}  // namespace

Result<std::vector<LoadedFile>> run_table_loader(std::span<const std::byte> script,
                                                 const ReadFile& read_file, PhysRange area) {
    const ByteReader commands(script);
    if (commands.size() % command_bytes != 0)
        return fail(EILSEQ, fmt::format("a table loader of {} bytes", commands.size()));
    Loader loader(read_file, area);
    for (std::size_t at = 0; at < commands.size(); at += command_bytes)
        SMMU_CHECK(loader.carry_out(*commands.slice(at, command_bytes)));
    return loader.take();
}

}  // namespace smmu::board

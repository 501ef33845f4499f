// SPDX-License-Identifier: Apache-2.0
#include "board/fw_cfg.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/byte_reader.hpp"

namespace smmu::board {
namespace {

// The request lies at the start of the scratch memory: control, length, address. All numbers of
// this device are big endian.
constexpr std::size_t request_bytes = 16;
constexpr std::uint64_t dma_register = 0x10;
constexpr std::uint32_t select_and_read = 0xa;

constexpr std::uint16_t directory_key = 0x19;
constexpr std::uint32_t count_bytes = 4;
constexpr std::uint32_t entry_bytes = 64;  // length, key, 2 reserved bytes, name
constexpr std::size_t name_offset = 8;
constexpr std::uint32_t most_files = 1024;

template <class T>
T big_endian_at(const ByteReader& bytes, std::size_t offset) {
    return std::byteswap(bytes.at<T>(offset).value_or(0));
}

template <class T>
void store_big_endian(std::span<std::byte> bytes, std::size_t offset, T value) {
    const T swapped = std::byteswap(value);
    std::memcpy(bytes.subspan(offset, sizeof(T)).data(), &swapped, sizeof(T));
}

}  // namespace

Result<FwCfg> FwCfg::open(Machine& machine, PhysAddr registers, RamPart scratch) {
    FwCfg store(machine, registers, scratch);
    SMMU_TRY(const auto counted, store.read(File{directory_key, count_bytes}));
    const std::uint32_t count = big_endian_at<std::uint32_t>(ByteReader(counted), 0);
    if (count > most_files)
        return fail(EILSEQ, fmt::format("QEMU's store for firmware says it has {} files", count));
    SMMU_TRY(const auto listed, store.read(File{directory_key, count_bytes + count * entry_bytes}));
    for (std::size_t i = 0; i < count; ++i) {
        const auto entry = ByteReader(listed).slice(count_bytes + i * entry_bytes, entry_bytes);
        const auto name = entry->bytes().subspan(name_offset);
        const auto end = std::find(name.begin(), name.end(), std::byte{0});
        std::string text;
        std::transform(name.begin(), end, std::back_inserter(text),
                       [](std::byte byte) { return static_cast<char>(byte); });
        store.directory_[text] = {big_endian_at<std::uint16_t>(*entry, 4),
                                  big_endian_at<std::uint32_t>(*entry, 0)};
    }
    return store;
}

Result<std::vector<std::byte>> FwCfg::read(const std::string& name) {
    const auto found = directory_.find(name);
    if (found == directory_.end())
        return fail(ENOENT, fmt::format("QEMU has no file {} for firmware", name));
    return read(found->second);
}

// The transfer is over when the write that starts it is.
Result<std::vector<std::byte>> FwCfg::read(File file) {
    if (file.length > scratch_.bytes.size() - request_bytes)
        return fail(EFBIG, fmt::format("a file of {} bytes for firmware", file.length));
    const auto data = scratch_.bytes.subspan(request_bytes, file.length);
    const PhysAddr request = scratch_.range.first;
    store_big_endian<std::uint32_t>(scratch_.bytes, 0,
                                    std::uint32_t{file.key} << 16 | select_and_read);
    store_big_endian<std::uint32_t>(scratch_.bytes, 4, file.length);
    store_big_endian<std::uint64_t>(scratch_.bytes, 8, (request + request_bytes).value);
    const std::array start = {
        link::Operation::write(registers_ + dma_register, 8, std::byteswap(request.value))};
    SMMU_CHECK(machine_.perform(start, {}));
    const auto control = ByteReader(scratch_.bytes).at<std::uint32_t>(0);
    std::vector<std::byte> bytes(data.begin(), data.end());
    std::fill_n(scratch_.bytes.begin(), request_bytes + file.length, std::byte{0});
    if (control != 0u)
        return fail(EIO,
                    fmt::format("QEMU's store for firmware did not give file {:#x}", file.key));
    return bytes;
}

}  // namespace smmu::board

// SPDX-License-Identifier: Apache-2.0
// QEMU's files for firmware, from a store that says what it is told to.
#include "board/fw_cfg.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <map>

namespace smmu::board {
namespace {

constexpr PhysAddr registers{0x0902'0000}, memory{0x4ff0'0000};
constexpr std::size_t memory_bytes = 0x1000;

void append(std::vector<std::byte>& bytes, std::uint64_t value, unsigned width) {
    for (unsigned i = width; i-- > 0;) bytes.push_back(std::byte(value >> (8 * i)));  // big endian
}

std::vector<std::byte> text(std::string_view words, std::size_t length) {
    std::vector<std::byte> bytes(length);
    std::memcpy(bytes.data(), words.data(), words.size());
    return bytes;
}

class Store final : public Machine {
public:
    Store() { add("etc/table-loader", text("a script", 8)); }

    void add(std::string_view name, std::vector<std::byte> content) {
        append(entries_, content.size(), 4);
        append(entries_, next_key_, 2);
        append(entries_, 0, 2);
        const auto padded = text(name, 56);
        entries_.insert(entries_.end(), padded.begin(), padded.end());
        files_[next_key_++] = std::move(content);
        count(static_cast<std::uint32_t>(entries_.size() / 64));
    }
    void count(std::uint32_t says) {
        files_[0x19].clear();
        append(files_[0x19], says, 4);
        files_[0x19].insert(files_[0x19].end(), entries_.begin(), entries_.end());
    }
    void forget(std::uint16_t key) { files_.erase(key); }

    const link::MachineDescription& description() const override { return description_; }
    std::span<const link::FirmwareTable> firmware_tables() const override { return {}; }
    int ram() const override { return -1; }
    Result<void> perform(std::span<const link::Operation> operations, std::span<std::uint64_t>) override {
        for (const link::Operation& operation : operations) {
            EXPECT_EQ(operation.kind, link::OperationKind::write);
            EXPECT_EQ(operation.address, registers.value + 16);
            EXPECT_EQ(std::byteswap(operation.value), memory.value);
            answer();
        }
        return {};
    }
    Result<FwCfg> open() {
        return FwCfg::open(*this, registers, {*PhysRange::from_length(memory, memory_bytes), memory_});
    }
    bool is_clean() const {
        return std::ranges::all_of(memory_, [](std::byte byte) { return byte == std::byte{0}; });
    }

private:
    std::uint64_t number(std::size_t at, unsigned width) const {
        std::uint64_t value = 0;
        for (unsigned i = 0; i < width; ++i) value = value << 8 | std::to_integer<std::uint64_t>(memory_[at + i]);
        return value;
    }
    void answer() {
        const std::uint64_t control = number(0, 4), length = number(4, 4);
        EXPECT_EQ(control & 0xffff, 0xau) << "select and read";
        const auto file = files_.find(static_cast<std::uint16_t>(control >> 16));
        const bool is_there = file != files_.end();
        memory_[3] = std::byte(is_there ? 0 : 1);  // error
        for (unsigned i = 0; i < 3; ++i) memory_[i] = std::byte{0};
        const std::uint64_t at = number(8, 8) - memory.value;
        for (std::size_t i = 0; is_there && i < length; ++i)
            memory_.at(at + i) = i < file->second.size() ? file->second[i] : std::byte{0};
    }

    link::MachineDescription description_;
    std::vector<std::byte> entries_, memory_ = std::vector<std::byte>(memory_bytes);
    std::map<std::uint16_t, std::vector<std::byte>> files_;
    std::uint16_t next_key_ = 0x20;
};

TEST(FwCfg, FilesAreReadByName) {
    Store store;
    store.add("etc/acpi/tables", text("tables", 200));
    store.add(std::string(56, 'n'), text("a name without an end", 21));
    auto files = store.open();
    ASSERT_TRUE(files) << files.error().text;
    EXPECT_EQ(*files->read("etc/table-loader"), text("a script", 8));
    EXPECT_EQ(*files->read("etc/acpi/tables"), text("tables", 200));
    EXPECT_EQ(*files->read(std::string(56, 'n')), text("a name without an end", 21));
    EXPECT_TRUE(store.is_clean()) << "nothing is left in RAM";
    EXPECT_EQ(files->read("etc/acpi").error().code, ENOENT);
}

TEST(FwCfg, WhatTheStoreCannotGiveIsAnError) {
    Store store;
    store.add("large", std::vector<std::byte>(memory_bytes - 15));
    store.add("fits", std::vector<std::byte>(memory_bytes - 16));
    auto files = store.open();
    ASSERT_TRUE(files) << files.error().text;
    EXPECT_EQ(files->read("large").error().code, EFBIG);
    EXPECT_TRUE(files->read("fits"));
    store.forget(0x20);
    EXPECT_EQ(files->read("etc/table-loader").error().code, EIO);
    EXPECT_TRUE(store.is_clean());
}

TEST(FwCfg, DirectoryIsBounded) {
    Store store;
    store.count(1025);
    EXPECT_EQ(store.open().error().code, EILSEQ);
    store.count(1024);
    EXPECT_EQ(store.open().error().code, EFBIG) << "more than this memory holds";
    store.forget(0x19);
    EXPECT_EQ(store.open().error().code, EIO);
}

}  // namespace
}  // namespace smmu::board

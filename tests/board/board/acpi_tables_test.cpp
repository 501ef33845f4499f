// SPDX-License-Identifier: Apache-2.0
// Firmware tables in RAM that somebody else wrote: whatever they say, nothing outside RAM is read.
#include "board/acpi_tables.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <random>

namespace smmu::board {
namespace {

constexpr std::size_t ram_bytes = 2u << 20;
constexpr PhysRange root_area{{0xe0000}, {0xfffff}};
constexpr std::uint32_t root = 0xf0040;
constexpr std::uint32_t list = 0x180000;
constexpr std::uint32_t table = 0x190000;

class Firmware {
public:
    Firmware() : ram_(ram_bytes) {
        text(root, "RSD PTR ");
        store<std::uint32_t>(root + 16, list);
        store<std::uint32_t>(list + 4, 36 + 4);
        text(list, "RSDT");
        store<std::uint32_t>(list + 36, table);
        text(table, "DMAR");
        store<std::uint32_t>(table + 4, 48);
        fix_checksum();
    }
    template <class T>
    void store(std::size_t at, T value) {
        std::memcpy(ram_.data() + at, &value, sizeof(T));
    }
    void text(std::size_t at, std::string_view bytes) {
        std::memcpy(ram_.data() + at, bytes.data(), bytes.size());
    }
    void fix_checksum() {
        ram_[root + 8] = std::byte{0};
        unsigned sum = 0;
        for (std::size_t i = 0; i < 20; ++i) sum += std::to_integer<unsigned>(ram_[root + i]);
        ram_[root + 8] = std::byte(256 - sum % 256);
    }
    Result<std::vector<link::FirmwareTable>> read() const {
        return read_acpi_tables(ram_, {0}, root_area);
    }

private:
    std::vector<std::byte> ram_;
};

TEST(AcpiTables, AreCopiedOutRaw) {
    const auto tables = Firmware().read();
    ASSERT_TRUE(tables) << tables.error().text;
    ASSERT_EQ(tables->size(), 1u);
    EXPECT_EQ(tables->front().name, "DMAR");
    EXPECT_EQ(tables->front().address, table);
    EXPECT_EQ(tables->front().bytes.size(), 48u);
}

TEST(AcpiTables, ExtendedListIsPreferred) {
    Firmware firmware;
    firmware.store<std::uint8_t>(root + 15, 2);
    firmware.store<std::uint64_t>(root + 24, list + 0x1000);
    firmware.store<std::uint32_t>(list + 0x1004, 36 + 16);
    firmware.store<std::uint64_t>(list + 0x1000 + 36, table);
    firmware.store<std::uint64_t>(list + 0x1000 + 44, table);
    firmware.fix_checksum();
    ASSERT_TRUE(firmware.read());
    EXPECT_EQ(firmware.read()->size(), 2u);
}

TEST(AcpiTables, FalseRootIsPassedOver) {
    Firmware firmware;
    firmware.text(0xe0000, "RSD PTR ");  // no checksum
    EXPECT_TRUE(firmware.read());
    firmware.store<std::uint8_t>(root + 8, 0x55);
    EXPECT_EQ(firmware.read().error().code, ENOENT);
    EXPECT_EQ(read_acpi_tables({}, {0}, root_area).error().code, ENOENT);
}

TEST(AcpiTables, PointersOutOfRamAreRefused) {
    for (const std::uint32_t bad :
         {std::uint32_t{ram_bytes}, std::uint32_t{ram_bytes - 8}, 0xffffffffu}) {
        Firmware entry;
        entry.store<std::uint32_t>(list + 36, bad);
        EXPECT_EQ(entry.read().error().code, EILSEQ);
        Firmware pointer;
        pointer.store<std::uint32_t>(root + 16, bad);
        pointer.fix_checksum();
        EXPECT_EQ(pointer.read().error().code, EILSEQ);
    }
    for (const std::uint32_t length : {0u, 35u, 0x80000u, 0xffffffffu}) {
        Firmware firmware;
        firmware.store<std::uint32_t>(table + 4, length);
        EXPECT_EQ(firmware.read().error().code, EILSEQ) << length;
    }
}

TEST(AcpiTables, EndlessListIsRefused) {
    Firmware firmware;
    firmware.store<std::uint32_t>(list + 4, 36 + 4 * 300);
    for (std::uint32_t i = 0; i < 300; ++i) firmware.store<std::uint32_t>(list + 36 + 4 * i, table);
    EXPECT_EQ(firmware.read().error().code, EILSEQ);
}

}  // namespace
}  // namespace smmu::board

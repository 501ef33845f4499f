// SPDX-License-Identifier: Apache-2.0
// The machine as a platform: what it is, its registers, its tables, its memory for tables.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_host.hpp"

namespace smmu::platform::linux {
namespace {

using test::FakeHost;
using testing::ElementsAre;
using testing::HasSubstr;

PhysRange range(std::uint64_t first, std::uint64_t last) { return {PhysAddr{first}, PhysAddr{last}}; }
constexpr std::uint64_t set_aside = 0x10000000, unit = 0x30000000;

TEST(LinuxPlatform, WhatItIs) {
    const FakeHost host;
    const auto platform = host.open();
    EXPECT_EQ(platform->name(), "linux");
    EXPECT_THAT(platform->ram(), ElementsAre(range(0x1000, 0x9fbff), range(0x100000, 0xfffffff)));
    EXPECT_THAT(platform->boot_identity(), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255));
}

TEST(LinuxPlatform, ABootThatHasNoName) {
    const FakeHost host;
    for (const char* const text : {"", "0001", "00010203-0405-0607-0809-0a0b0c0d0eff00\n"}) {
        host.write("/proc/sys/kernel/random/boot_id", text);
        EXPECT_EQ(open(host.places()).error().code, EINVAL) << text;
    }
    host.remove("/proc/sys/kernel/random/boot_id");
    EXPECT_EQ(open(host.places()).error().code, ENOENT);
}

TEST(LinuxPlatform, FirmwareTables) {
    const FakeHost host;
    EXPECT_TRUE(host.open()->firmware_tables()->empty());
    const std::string folder = "/sys/firmware/acpi/tables/";
    for (const char* const name : {"DMAR", "MCFG", "APIC", "DSDT", "SSDT1", "data/x", "IORT2"}) host.write(folder + name, name);
    host.write("/sys/firmware/fdt", "tree");
    const auto tables = host.open()->firmware_tables();
    ASSERT_TRUE(tables);
    std::vector<std::string> found;
    for (const RawTable& table : *tables) found.push_back(table.name + " " + table.origin + " " + std::to_string(table.bytes.size()));
    EXPECT_THAT(found, ElementsAre("APIC " + folder + "APIC 4", "DMAR " + folder + "DMAR 4", "IORT " + folder + "IORT2 5",
                                   "MCFG " + folder + "MCFG 4", "dtb /sys/firmware/fdt 4"));
}

TEST(LinuxPlatform, Registers) {
    const FakeHost host;
    host.make_room("/dev/mem", unit + 0x2000);
    host.write_at("/dev/mem", unit + 0x1008, 0x1122334455667788);
    auto registers = host.open()->registers(range(unit + 0x1000, unit + 0x17ff));
    ASSERT_TRUE(registers) << registers.error().text;
    EXPECT_EQ((*registers)->read32(8), 0x55667788u);
    EXPECT_EQ((*registers)->read32(12), 0x11223344u);
    EXPECT_EQ((*registers)->read64(8), 0x1122334455667788u);
    (*registers)->write32(0x10, 0xaabbccdd);
    (*registers)->write64(0x18, 0x0102030405060708);
    EXPECT_EQ(host.word_at("/dev/mem", unit + 0x1010), 0xaabbccddu);
    EXPECT_EQ(host.word_at("/dev/mem", unit + 0x1018), 0x0102030405060708u);
}

TEST(LinuxPlatform, RegistersThatOthersHave) {
    const FakeHost host;
    host.make_room("/dev/mem", unit);
    EXPECT_EQ(host.open()->registers(range(0x200000, 0x200fff)).error().code, ENXIO) << "memory";
    host.write("/proc/iomem", "30000000-30000fff : dmar0\n");
    const auto taken = host.open()->registers(range(unit, unit + 0xfff));
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, EPERM);
    EXPECT_THAT(taken.error().text, testing::AllOf(HasSubstr("dmar0"), HasSubstr("intremap=off")));
    host.remove("/dev/mem");
    EXPECT_EQ(host.open()->registers(range(unit + 0x1000, unit + 0x1fff)).error().code, ENOENT);
}

// Each time anew: a driver may come as a module.
TEST(LinuxPlatform, RegistersOfAUnitThatTheKernelHasByNow) {
    const FakeHost host;
    host.make_room("/dev/mem", unit + 0x2000);
    const auto platform = host.open();
    const PhysRange first = range(unit, unit + 0xfff), second = range(unit + 0x1000, unit + 0x1fff);
    EXPECT_TRUE(platform->check_given_up(first));
    host.folder("/sys/class/iommu/smmu3.0x0000000030001000");
    EXPECT_TRUE(platform->check_given_up(first));
    EXPECT_TRUE(platform->registers(first));
    EXPECT_EQ(platform->check_given_up(second).error().code, EPERM);
    EXPECT_EQ(platform->registers(second).error().code, EPERM);
    host.remove("/sys/class");
    EXPECT_EQ(platform->registers(first).error().code, EPERM) << "nobody can tell";
}

TEST(LinuxPlatform, TableMemoryThatWasSetAside) {
    const FakeHost host;
    host.make_room("/dev/mem", set_aside + 0x1000000);
    {
        const auto platform = host.open();
        const auto memory = platform->table_memory(range(set_aside, set_aside + 0xfffff), 0);
        ASSERT_TRUE(memory) << memory.error().text;
        EXPECT_EQ(memory->range, range(set_aside, set_aside + 0xfffff));
        ASSERT_EQ(memory->bytes.size(), 0x100000u);
        memory->bytes[0x4000] = std::byte{0x5a};
        EXPECT_EQ(host.open()->table_memory(range(set_aside, set_aside + 0xfffff), 0).error().code, EBUSY) << "a second service";
    }
    const auto platform = host.open();
    const auto memory = platform->table_memory(range(set_aside, set_aside + 0xfffff), 0);
    ASSERT_TRUE(memory) << memory.error().text;
    EXPECT_EQ(memory->bytes[0x4000], std::byte{0x5a}) << "what the first one left";
}

TEST(LinuxPlatform, TableMemoryThatWasNotSetAside) {
    const FakeHost host;
    host.make_room("/dev/mem", unit);
    for (const PhysRange wanted : {range(0x200000, 0x2fffff), range(0x20000000, 0x200fffff), range(set_aside + 0x800, set_aside + 0xffff),
                                   range(set_aside, set_aside + 0x17ff), range(0x1f000000, 0x1f0fffff), range(0x18000000, 0x180fffff)}) {
        const auto memory = host.open()->table_memory(wanted, 0);
        ASSERT_FALSE(memory) << std::hex << wanted.first.value;
        EXPECT_EQ(memory.error().code, EINVAL);
    }
}

TEST(LinuxPlatform, TableMemoryIsMemoryAsFirmwareSaysIt) {
    const FakeHost host;
    host.make_room("/dev/mem", unit);
    const auto asked = [&](PhysRange wanted) { return host.open()->table_memory(wanted, 0); };
    EXPECT_TRUE(asked(range(set_aside + 0x300000, set_aside + 0x4fffff))) << "two entries, one behind the other";
    const auto beyond = asked(range(set_aside + 0xf00000, set_aside + 0x10fffff));
    ASSERT_FALSE(beyond);
    EXPECT_THAT(beyond.error().text, HasSubstr("0x11000000 is no memory"));
    host.write("/sys/firmware/memmap/1/end", "nonsense\n");
    EXPECT_EQ(asked(range(set_aside, set_aside + 0xfffff)).error().code, EPERM);
    host.remove("/sys/firmware/memmap");
    EXPECT_EQ(asked(range(set_aside, set_aside + 0xfffff)).error().code, EPERM) << "nobody says what it is";
}

// A file that ends before the registers gives the bus error that hardware without power gives.
TEST(LinuxPlatform, RegistersThatDoNotAnswer) {
    const FakeHost host;
    host.make_room("/dev/mem", unit);
    const auto silent = host.open()->registers(range(unit, unit + 0xfff));
    ASSERT_FALSE(silent);
    EXPECT_EQ(silent.error().code, EIO);
    EXPECT_THAT(silent.error().text, testing::AllOf(HasSubstr("0x30000000-0x30000fff: reading ends in a bus error"), HasSubstr("clk_ignore_unused")));
}

// Before the service is known to be alone with the units, nothing else is asked.
TEST(LinuxPlatform, TableMemoryOfAMachineThatTheKernelHas) {
    const FakeHost host;
    host.folder("/sys/class/iommu/dmar0");
    EXPECT_EQ(host.open()->table_memory(std::nullopt, 1 << 20).error().code, EPERM);
    EXPECT_FALSE(std::filesystem::exists(host.places().lock));
}

TEST(LinuxPlatform, TableMemoryWithoutAHolder) {
    const FakeHost host;
    const auto memory = host.open()->table_memory(std::nullopt, 1 << 20);
    ASSERT_FALSE(memory);
    EXPECT_EQ(memory.error().code, ENOENT);
    EXPECT_THAT(memory.error().text, HasSubstr("start it"));
    EXPECT_EQ(host.open()->table_memory(std::nullopt, 0).error().code, EINVAL);
}

TEST(LinuxPlatform, OnlySealedHugePagesArePinned) {
    const FakeHost host;
    const auto platform = host.open();
    UniqueFd plain(memfd_create("plain", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(ftruncate(plain.get(), 4096), 0);
    ASSERT_EQ(fcntl(plain.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    EXPECT_THAT(platform->pin(std::move(plain), 0, 4096).error().text, HasSubstr("MFD_HUGETLB"));
    EXPECT_EQ(platform->pin(UniqueFd(), 0, 4096).error().code, EINVAL);

    // A file of huge pages has none before one is touched, so these need no pool.
    const auto huge = [] { return UniqueFd(memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB)); };
    if (!huge()) GTEST_SKIP() << "this kernel has no huge pages";
    UniqueFd open_ended = huge();
    ASSERT_EQ(ftruncate(open_ended.get(), 0x200000), 0);
    EXPECT_THAT(platform->pin(std::move(open_ended), 0, 4096).error().text, HasSubstr("F_SEAL_SHRINK"));
    const auto sealed = [&] {
        UniqueFd file = huge();
        EXPECT_EQ(ftruncate(file.get(), 0x200000), 0);
        EXPECT_EQ(fcntl(file.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
        return file;
    };
    const std::pair<std::uint64_t, std::uint64_t> outside[] = {{0, 0}, {0, 0x200001}, {0x200000, 1}, {0x1ff000, 0x2000}, {4096, ~std::uint64_t{0}}};
    for (const auto& [offset, length] : outside)
        EXPECT_THAT(platform->pin(sealed(), offset, length).error().text, HasSubstr("leave the file")) << offset << " " << length;
    const auto holes = platform->pin(sealed(), 0, 4096);
    ASSERT_FALSE(holes);
    EXPECT_EQ(holes.error().code, EINVAL);
    EXPECT_THAT(holes.error().text, testing::AllOf(HasSubstr("0 of its 2 MiB are there"), HasSubstr("fallocate")));
}

}  // namespace
}  // namespace smmu::platform::linux

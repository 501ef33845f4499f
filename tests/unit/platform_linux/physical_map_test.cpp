// SPDX-License-Identifier: Apache-2.0
// /proc/iomem, as kernels write it and as they do not.
#include "platform/linux/physical_map.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace smmu::platform::linux {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::string_view machine = "00000000-00000fff : Reserved\n"
                                     "00001000-0009fbff : System RAM\n"
                                     "00100000-3ffdffff : System RAM\n"
                                     "  1cc00000-1dbfffff : Kernel code\n"
                                     "3ffe0000-3fffffff : Reserved\n"
                                     "40000000-afffffff : PCI Bus 0000:00\n"
                                     "fed90000-fed90fff : dmar0\n"
                                     "100000000-2ffffffff : dax0.0\n"
                                     "  100000000-2ffffffff : System RAM (kmem)\n";

PhysRange range(std::uint64_t first, std::uint64_t last) { return {PhysAddr{first}, PhysAddr{last}}; }

PhysicalMap map_of(std::string_view text) {
    auto map = PhysicalMap::parse(text);
    EXPECT_TRUE(map);
    return map ? *map : PhysicalMap{};
}

TEST(PhysicalMap, MemoryIsWhatTheKernelUses) {
    EXPECT_THAT(map_of(machine).ram(),
                ElementsAre(range(0x1000, 0x9fbff), range(0x100000, 0x3ffdffff), range(0x100000000, 0x2ffffffff)));
}

TEST(PhysicalMap, OnlyReservedOrUnlistedMemoryIsSetAside) {
    const PhysicalMap map = map_of(machine);
    EXPECT_TRUE(map.check_set_aside(range(0x3ffe0000, 0x3fffffff)));
    EXPECT_TRUE(map.check_set_aside(range(0x400000000, 0x4000fffff)));
    for (const PhysRange taken : {range(0x3ffdf000, 0x3ffe0fff), range(0x3ffff000, 0x40000fff), range(0x1cc00000, 0x1cc00fff),
                                  range(0xfed90000, 0xfed90fff), range(0x100000000, 0x1000fffff)}) {
        const auto checked = map.check_set_aside(taken);
        ASSERT_FALSE(checked) << std::hex << taken.first.value;
        EXPECT_EQ(checked.error().code, EINVAL);
        EXPECT_THAT(checked.error().text, HasSubstr("memmap="));
    }
}

TEST(PhysicalMap, UnitsThatTheKernelDrives) {
    const PhysicalMap map = map_of(machine);
    EXPECT_EQ(map.kernel_unit(range(0xfed90000, 0xfed90fff)), "dmar0");
    EXPECT_EQ(map.kernel_unit(range(0xfed91000, 0xfed91fff)), std::nullopt);
    EXPECT_EQ(map.kernel_unit(range(0x40000000, 0x40000fff)), std::nullopt) << "a bus is no unit";
}

TEST(PhysicalMap, HiddenAddresses) {
    const auto map = PhysicalMap::parse("00000000-00000000 : System RAM\n  00000000-00000000 : Kernel code\n");
    ASSERT_FALSE(map);
    EXPECT_EQ(map.error().code, EPERM);
    EXPECT_THAT(map.error().text, HasSubstr("CAP_SYS_ADMIN"));
}

TEST(PhysicalMap, WhatIsNoList) {
    for (const std::string_view text : {"System RAM\n", "1000 : x\n", "1000-xyz : x\n", "2000-1000 : x\n", "1000-2000 x\n",
                                        "11112222333344445-11112222333344446 : x\n", "   \n"}) {
        const auto map = PhysicalMap::parse(text);
        ASSERT_FALSE(map) << text;
        EXPECT_EQ(map.error().code, EINVAL);
    }
    EXPECT_EQ(PhysicalMap::parse("").error().code, EPERM) << "a machine has something";
    EXPECT_EQ(map_of("1000-1fff : System RAM").ram().size(), 1u) << "without a line's end";
}

}  // namespace
}  // namespace smmu::platform::linux

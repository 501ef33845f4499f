// SPDX-License-Identifier: Apache-2.0
// How drivers written for the QNX library call it: granting and removing memory. Each test is named
// after its point in the list of patterns seen in published drivers.
#include <fmt/format.h>

#include "tests/e2e/patterns/patterns.hpp"

namespace smmu::test {

TEST_F(Patterns, Pattern07_OneByteOpensItsPageAndTwoEntriesMayShareOne) {
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    constexpr std::uint64_t fifo = memory_base + 0x20;
    const Answer answer = driver.run([object] {
        smmu_map_entry entries[2] = {};
        entries[0].phys = fifo;
        entries[0].len = 1;
        entries[1].phys = fifo + 4;
        entries[1].len = 1;
        return long{smmu_mapping_add(object, rw, 0, 2, entries, 0)};
    });
    ASSERT_TRUE(answer.done()) << testing::PrintToString(answer);
    EXPECT_TRUE(room().writes(room().a(), fifo));
    EXPECT_TRUE(room().writes(room().a(), memory_base + page - 16)) << "1 byte opens the page";
    EXPECT_FALSE(room().writes(room().a(), memory_base + page)) << "and no other";
    EXPECT_FALSE(room().writes(room().a(), memory_base - 16));
    // Over older ones, with other lengths and alignments.
    ASSERT_TRUE(driver.map(object, memory_base + 3, 9001).done());
    ASSERT_TRUE(driver.map(object, memory_base + 0xff0, 33).done());
    EXPECT_TRUE(room().writes(room().a(), memory_base + 2 * page));
    EXPECT_FALSE(room().writes(room().a(), memory_base + 3 * page));
}

TEST_F(Patterns, Pattern07_DeviceRegistersMayBeADmaTarget) {
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    // A register of the driver's other device, which answers with the inverse of what it is given.
    ASSERT_TRUE(driver.add(object, q35::edu_b).done());
    const PhysAddr liveness = room().b().registers().first + 4;
    ASSERT_TRUE(driver.map(object, liveness.value, 1).done());
    room().a().bus_master(true);
    EXPECT_TRUE(room().a().dma_out({liveness.value}, 4, MachineRoom::own_offset));
    EXPECT_EQ(room().link().read(liveness, 4), 0xa5a5a5a5u) << "DMA reached the register";
}

TEST_F(Patterns, Pattern08_AnAddressThatIsNoMemoryIsNotAnError) {
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    constexpr std::uint64_t cpu_virtual = 0x3'1234'5678;  // a driver's bug: not a physical address
    const Answer answer = driver.map(object, cpu_virtual, 64);
    EXPECT_TRUE(answer.done()) << testing::PrintToString(answer);
    EXPECT_TRUE(driver.unmap(object, cpu_virtual, 64).done());
}

TEST_F(Patterns, Pattern09_RepeatedAddsAndNonsenseRemovalsAreHarmless) {
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(driver.map(object, memory_base, 200).done());
    EXPECT_TRUE(room().writes(room().a(), memory_base));
    EXPECT_TRUE(driver.unmap(object, memory_base, 200).done());
    EXPECT_FALSE(room().writes(room().a(), memory_base)) << "one removal undoes repeated adds";
    EXPECT_TRUE(driver.unmap(object, memory_base, 200).done());
    EXPECT_TRUE(driver.unmap(object, 0x7777'0000'1234, 0x9999'0001).done()) << "never granted";
    const Answer wraps = driver.unmap(object, ~std::uint64_t{0} - 5, ~std::uint64_t{0});
    EXPECT_TRUE(wraps.failed_with(EINVAL)) << testing::PrintToString(wraps);
    EXPECT_TRUE(driver.map(object, memory_base, 200).done());
    EXPECT_TRUE(room().writes(room().a(), memory_base));
}

TEST_F(Patterns, Pattern10_RemovalWorksOnRangesNotOnEntries) {
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    ASSERT_TRUE(driver.map(object, memory_base + 0x100, 0x180).done());    // a ring
    ASSERT_TRUE(driver.map(object, memory_base + 2 * page, 5000).done());  // another
    ASSERT_TRUE(driver.map(object, memory_base + 32 * page, 64).done());
    EXPECT_TRUE(driver.unmap(object, memory_base, 0x4000).done()) << "the size of the registers";
    EXPECT_FALSE(room().writes(room().a(), memory_base + 0x100));
    EXPECT_FALSE(room().writes(room().a(), memory_base + 2 * page));
    EXPECT_FALSE(room().writes(room().a(), memory_base + 3 * page));
    EXPECT_TRUE(room().writes(room().a(), memory_base + 32 * page)) << "outside the range";
}

TEST_F(Patterns, Pattern11_NobodyChecksThatTheCallerHasTheMemoryMapped) {
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    // The client never maps the board's RAM.
    EXPECT_TRUE(driver.map(object, memory_base, page).done());
    EXPECT_TRUE(room().writes(room().a(), memory_base));
    EXPECT_TRUE(driver.unmap(object, memory_base, page).done());
    EXPECT_FALSE(room().writes(room().a(), memory_base));
}

TEST_F(Patterns, Pattern13_OwnDeviceAddressesLikeTheIpmmuHelper) {
    ClientProcess driver = room().driver();
    constexpr std::uint64_t gib = 1u << 30;
    std::vector<Object> objects;
    for (int i = 0; i < 64; ++i) objects.push_back(driver.create());
    const Object object = objects.back();
    ASSERT_TRUE(driver.add(object, q35::edu_a).done());
    for (std::uint64_t i = 0; i < 8; ++i)
        ASSERT_TRUE(
            driver.map(object, gib + i * page, page, rw | SMF_TARGET, memory_base + (7 - i) * page)
                .done());
    for (std::uint64_t i = 0; i < 8; ++i)
        EXPECT_TRUE(room().writes(room().a(), gib + i * page, memory_base + (7 - i) * page));
    EXPECT_FALSE(room().writes(room().a(), memory_base)) << "physical addresses are no device ones";
    // It removes with the flag SMF_TARGET alone and the target.
    EXPECT_TRUE(driver.map(object, gib, page, SMF_TARGET, memory_base + 7 * page).done());
    EXPECT_FALSE(room().writes(room().a(), gib, memory_base + 7 * page));
    EXPECT_TRUE(room().writes(room().a(), gib + page, memory_base + 6 * page));
    EXPECT_TRUE(driver.remove(q35::edu_a).done());
    EXPECT_FALSE(room().writes(room().a(), gib + page, memory_base + 6 * page));
    for (const Object one : objects) EXPECT_TRUE(driver.destroy(one).done());
}

TEST_F(Patterns, Pattern15_ListsOfEntriesAreMappedForOthersAndRegistersAfterAttach) {
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    constexpr std::uint64_t count = 8;
    const auto list = [object](unsigned flags) {
        return [object, flags] {
            smmu_map_entry entries[count] = {};
            for (std::uint64_t i = 0; i < count; ++i) {
                entries[i].phys = memory_base + 2 * i * page;
                entries[i].len = 512;
            }
            return long{smmu_mapping_add(object, flags, 0, count, entries, 0)};
        };
    };
    EXPECT_TRUE(driver.run(list(rw)).done());
    for (std::uint64_t i = 0; i < count; ++i) {
        EXPECT_TRUE(room().writes(room().a(), memory_base + 2 * i * page));
        EXPECT_FALSE(room().writes(room().a(), memory_base + (2 * i + 1) * page));
    }
    EXPECT_TRUE(driver.run(list(SMF_NONE)).done());
    for (std::uint64_t i = 0; i < count; ++i)
        EXPECT_FALSE(room().writes(room().a(), memory_base + 2 * i * page));
}

}  // namespace smmu::test

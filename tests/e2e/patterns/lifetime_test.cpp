// SPDX-License-Identifier: Apache-2.0
// How drivers written for the QNX library call it: connecting, objects, devices, taking down. Each
// test is named after its point in the list of patterns seen in published drivers.
#include <fmt/format.h>

#include "tests/e2e/patterns/patterns.hpp"

namespace smmu::test {

TEST_F(Patterns, Pattern01_InitIsCountedAndExtraFiniIsHarmless) {
    ClientProcess driver = room().client();
    EXPECT_TRUE(driver.fini().done()) << "a fini before any init";
    EXPECT_TRUE(driver.init().done());
    EXPECT_TRUE(driver.init().done()) << "each `smmu=on` of a command line calls it again";
    const Object object = driver.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    ASSERT_TRUE(driver.map(object, memory_base, page).done());
    EXPECT_TRUE(driver.fini().done());
    EXPECT_TRUE(room().writes(room().a(), memory_base)) << "the first fini of two ends nothing";
    EXPECT_TRUE(driver.fini().done());
    EXPECT_FALSE(room().writes(room().a(), memory_base)) << "the last fini destroys what is left";
    EXPECT_TRUE(driver.fini().done());
    EXPECT_EQ(driver.create(), nullptr);
    EXPECT_TRUE(driver.init().done()) << "init, fini, init";
    const Object again = driver.own(q35::edu_a);
    ASSERT_NE(again, nullptr);
    EXPECT_TRUE(driver.map(again, memory_base, page).done());
    EXPECT_TRUE(room().writes(room().a(), memory_base));
}

TEST_F(Patterns, Pattern02_WithoutServiceInitFailsAndTheRestIsHarmless) {
    ClientProcess driver = room().client();
    const Answer init = driver.run([] {
        setenv("SMMUMAN_SOCKET", "/nonexistent/smmuman.sock", 1);
        return long{smmu_init(0)};
    });
    EXPECT_TRUE(init.failed_with(ENOENT)) << testing::PrintToString(init);
    // A driver that goes on without it must not crash in what it calls then.
    const Answer create =
        driver.run([] { return smmu_obj_create(SOCF_NONE) == nullptr ? -1L : 0; });
    EXPECT_TRUE(create.failed_with(ENOTCONN)) << testing::PrintToString(create);
    EXPECT_TRUE(driver.add(nullptr, q35::edu_a).failed_with(ENOTCONN));
    EXPECT_TRUE(driver.map(nullptr, memory_base, page).failed_with(ENOTCONN));
    EXPECT_TRUE(driver.run([] { return smmu_obj_destroy(nullptr), smmu_fini(), 0L; }).done());
}

TEST_F(Patterns, Pattern03_OneObjectIsSharedByTwoChannels) {
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    ASSERT_TRUE(driver.add(object, q35::edu_b).done());
    ASSERT_TRUE(driver.map(object, memory_base, page).done());
    EXPECT_TRUE(room().writes(room().a(), memory_base));
    EXPECT_TRUE(room().writes(room().b(), memory_base));
}

TEST_F(Patterns, Pattern04_EveryTeardownStyleLeavesNothing) {
    ClientProcess driver = room().driver();
    for (const char style : {'a', 'b', 'c', 'e'}) {
        SCOPED_TRACE(style);
        const Object object = driver.own(q35::edu_a);
        ASSERT_NE(object, nullptr);
        if (style == 'e') {  // an error path: the mapping after the device fails
            EXPECT_TRUE(driver.map(object, memory_base, 0).failed_with(EINVAL));
        } else {
            ASSERT_TRUE(driver.map(object, memory_base, page).done());
            ASSERT_TRUE(room().writes(room().a(), memory_base));
        }
        if (style == 'a') {
            EXPECT_TRUE(driver.unmap(object, memory_base, page).done());
        }
        if (style == 'a' || style == 'b') {
            EXPECT_TRUE(driver.remove(q35::edu_a).done());
        }
        EXPECT_TRUE(driver.destroy(object).done());
        EXPECT_FALSE(room().writes(room().a(), memory_base));
        EXPECT_TRUE(room().status().objects.empty());
        // Somebody else may own it now.
        ClientProcess other = room().driver();
        EXPECT_NE(other.own(q35::edu_a), nullptr);
    }
}

TEST_F(Patterns, Pattern05_AChannelIsADeviceOfItsOwnRegisterWindow) {
    // The board's DMA comes from PCI functions; a register window that no unit knows is refused as
    // unknown, whatever its size.
    ClientProcess driver = room().driver();
    const Object object = driver.create();
    for (const unsigned bytes : {0u, 0x1000u, 0x800000u}) {
        const Answer answer =
            driver.run([=] { return long{smmu_device_add_mmio(object, 0xe6700000, bytes)}; });
        EXPECT_TRUE(answer.failed_with(ENOENT)) << testing::PrintToString(answer);
    }
}

TEST_F(Patterns, Pattern06_ADeviceAddedAfterMappingsTakesThemAndTheResultIsZero) {
    ClientProcess driver = room().driver();
    const Object object = driver.create();
    ASSERT_TRUE(driver.add(object, q35::edu_a).done());
    ASSERT_TRUE(driver.map(object, memory_base, 96).done());  // descriptors of channel A
    EXPECT_EQ(driver.add(object, q35::edu_b).value, 0);
    EXPECT_TRUE(room().writes(room().b(), memory_base)) << "what was there before the device";
    ASSERT_TRUE(driver.map(object, memory_base + page, 96).done());  // descriptors of channel B
    ASSERT_TRUE(driver.map(object, memory_base + 8 * page, 4 * page).done());  // buffers
    for (Edu* edu : {&room().a(), &room().b()}) {
        EXPECT_TRUE(room().writes(*edu, memory_base));
        EXPECT_TRUE(room().writes(*edu, memory_base + page));
        EXPECT_TRUE(room().copies(*edu, memory_base + 8 * page, memory_base + 11 * page));
        EXPECT_FALSE(room().writes(*edu, memory_base + 12 * page));
    }
}

TEST_F(Patterns, Pattern12_WithoutAnObjectADriverWorksAsBefore) {
    ClientProcess driver = room().driver();
    // `sop` NULL in place of an object: nothing is added, and the error is a harmless one.
    EXPECT_TRUE(driver.map(nullptr, memory_base, page).failed_with(EINVAL));
    EXPECT_TRUE(driver.remove(q35::edu_a).failed_with(ENOENT));
    EXPECT_TRUE(driver.destroy(nullptr).done());
}

TEST_F(Patterns, Pattern14_SeveralProcessesEachWithTheirDevicesAndManyObjects) {
    ClientProcess first = room().driver(), second = room().driver();
    constexpr int many = 64;
    for (int i = 0; i < many; ++i) ASSERT_NE(first.create(), nullptr) << i;
    const Object a = first.own(q35::edu_a), b = second.own(q35::edu_b);
    ASSERT_NE(a, nullptr);
    ASSERT_NE(b, nullptr);
    ASSERT_TRUE(first.map(a, memory_base, page).done());
    ASSERT_TRUE(second.map(b, memory_base + page, page).done());
    EXPECT_TRUE(room().writes(room().a(), memory_base));
    EXPECT_FALSE(room().writes(room().a(), memory_base + page));
    EXPECT_TRUE(room().writes(room().b(), memory_base + page));
    EXPECT_FALSE(room().writes(room().b(), memory_base));
    EXPECT_EQ(room().status().objects.size(), std::size_t{many} + 2);
}

TEST_F(Patterns, Pattern16_CleaningUpMayHappenInAnotherThread) {
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    const Answer answer = driver.run([object] {
        // Mapping in several threads at once; each leaves its last range.
        std::vector<std::thread> threads;
        std::atomic<int> failures = 0;
        for (std::uint64_t i = 0; i < 4; ++i)
            threads.emplace_back([&failures, object, i] {
                smmu_map_entry entry{};
                entry.phys = memory_base + 16 * i * page;
                entry.len = page;
                for (int round = 0; round < 20; ++round) {
                    failures += smmu_mapping_add(object, rw, 0, 1, &entry, 0) != 0;
                    failures += smmu_mapping_add(object, SMF_NONE, 0, 1, &entry, 0) != 0;
                }
                failures += smmu_mapping_add(object, rw, 0, 1, &entry, 0) != 0;
            });
        for (std::thread& thread : threads) thread.join();
        return long{failures};
    });
    EXPECT_EQ(answer.value, 0);
    for (std::uint64_t i = 0; i < 4; ++i)
        EXPECT_TRUE(room().writes(room().a(), memory_base + 16 * i * page));
    const Answer cleaned = driver.run([object] {
        std::thread([object] { smmu_obj_destroy(object); }).join();
        return 0L;
    });
    EXPECT_TRUE(cleaned.done());
    EXPECT_FALSE(room().writes(room().a(), memory_base));
}

}  // namespace smmu::test

// SPDX-License-Identifier: Apache-2.0
// Grants: bytes, pages, permissions, targets. What a call says is what DMA finds.
#include <fmt/format.h>
#include <sys/mman.h>

#include "tests/e2e/machine_room.hpp"

namespace smmu::test {
namespace {

constexpr unsigned to_target = rw | SMF_TARGET;

class Grants : public SharedRoom<Grants> {
protected:
    void SetUp() override {
        SharedRoom::SetUp();
        driver_ = room().driver();
        object_ = driver_.own(q35::edu_a);
        ASSERT_NE(object_, nullptr);
    }
    bool writes(std::uint64_t address) { return room().writes(room().a(), address); }
    bool writes(std::uint64_t address, std::uint64_t memory) {
        return room().writes(room().a(), address, memory);
    }
    Answer map(std::uint64_t address, std::uint64_t length, unsigned flags = rw,
               std::uint64_t target = 0) {
        return driver_.map(object_, address, length, flags, target);
    }
    Answer unmap(std::uint64_t address, std::uint64_t length) {
        return driver_.unmap(object_, address, length);
    }
    // What the unit was asked to do so far.
    std::uint64_t flushes() const { return room().status().units.front().flushes; }
    std::uint64_t commands() const { return room().status().units.front().commands; }

    ClientProcess driver_;
    Object object_ = nullptr;
};

TEST_F(Grants, OneByteOpensItsPage) {
    ASSERT_TRUE(map(memory_base + 0x800, 1).done());
    EXPECT_TRUE(writes(memory_base));
    EXPECT_TRUE(writes(memory_base + page - 16));
    EXPECT_FALSE(writes(memory_base + page));
    EXPECT_FALSE(writes(memory_base - 16));
    const auto objects = room().status().objects;
    ASSERT_EQ(objects.size(), 1u);
    EXPECT_EQ(objects.front().exposed_by_rounding, page - 1);
}

TEST_F(Grants, APageStaysOpenForTheSecondOfTwoGrants) {
    ASSERT_TRUE(map(memory_base + 0x100, 16).done());
    ASSERT_TRUE(map(memory_base + 0x200, 16).done());
    ASSERT_TRUE(unmap(memory_base + 0x100, 16).done());
    EXPECT_TRUE(writes(memory_base + 0x100)) << "the page is open for the other";
    ASSERT_TRUE(unmap(memory_base + 0x200, 16).done());
    EXPECT_FALSE(writes(memory_base + 0x100)) << "removing the last closes it";
}

TEST_F(Grants, PartsOfAGrantCanBeRemoved) {
    ASSERT_TRUE(map(memory_base, 8 * page).done());
    ASSERT_TRUE(unmap(memory_base + 2 * page, 3 * page).done());
    for (std::uint64_t i = 0; i < 8; ++i)
        EXPECT_EQ(writes(memory_base + i * page), i < 2 || i >= 5) << i;
    // All of a page but its last byte.
    ASSERT_TRUE(unmap(memory_base + 6 * page, page - 1).done());
    EXPECT_TRUE(writes(memory_base + 6 * page));
    ASSERT_TRUE(unmap(memory_base + 7 * page - 1, 1).done());
    EXPECT_FALSE(writes(memory_base + 6 * page));
}

TEST_F(Grants, ALargeGrantIsSplitByASmallRemoval) {
    constexpr std::uint64_t base = 0x240'0000, large = 4u << 20;  // two of the unit's large pages
    ASSERT_TRUE(map(base, large).done());
    EXPECT_TRUE(writes(base + large - page));
    ASSERT_TRUE(unmap(base + page, page).done());
    EXPECT_TRUE(writes(base));
    EXPECT_FALSE(writes(base + page));
    EXPECT_TRUE(writes(base + 2 * page));
    EXPECT_TRUE(writes(base + large - page));
    ASSERT_TRUE(map(base + page, page).done());
    EXPECT_TRUE(writes(base + page));
    ASSERT_TRUE(unmap(base, large).done());
    EXPECT_FALSE(writes(base));
    EXPECT_FALSE(writes(base + large - page));
}

TEST_F(Grants, PermissionsHoldForReadsAndWrites) {
    constexpr std::uint64_t readable = memory_base, writable = memory_base + page;
    constexpr std::uint64_t both = memory_base + 2 * page;
    ASSERT_TRUE(map(readable, page, SMF_READ).done());
    ASSERT_TRUE(map(writable, page, SMF_WRITE).done());
    ASSERT_TRUE(map(both, page).done());
    EXPECT_TRUE(room().copies(room().a(), readable, writable));
    EXPECT_TRUE(room().copies(room().a(), both, both + 512));
    EXPECT_FALSE(writes(readable));
    EXPECT_FALSE(room().copies(room().a(), writable, both)) << "write-only memory was read";
}

TEST_F(Grants, TheLastCallsPermissionsHold) {
    constexpr std::uint64_t other = memory_base + page;
    ASSERT_TRUE(map(other, page).done());
    ASSERT_TRUE(map(memory_base, page, rw).done());
    EXPECT_TRUE(writes(memory_base));
    ASSERT_TRUE(map(memory_base, page, SMF_READ).done());
    EXPECT_FALSE(writes(memory_base)) << "no permission beyond what remains";
    EXPECT_TRUE(room().copies(room().a(), memory_base, other));
    ASSERT_TRUE(map(memory_base, page, SMF_WRITE).done());
    EXPECT_TRUE(writes(memory_base));
    EXPECT_FALSE(room().copies(room().a(), memory_base, other));
    ASSERT_TRUE(map(memory_base, page, rw).done());
    EXPECT_TRUE(room().copies(room().a(), memory_base, other));
    EXPECT_TRUE(writes(memory_base));
}

TEST_F(Grants, ThePageHasTheUnionOfItsGrantsPermissions) {
    constexpr std::uint64_t other = memory_base + page;
    ASSERT_TRUE(map(other, page).done());
    ASSERT_TRUE(map(memory_base, 8, SMF_READ).done());
    ASSERT_TRUE(map(memory_base + 64, 8, SMF_WRITE).done());
    EXPECT_TRUE(writes(memory_base));
    EXPECT_TRUE(room().copies(room().a(), memory_base + 128, other));
    ASSERT_TRUE(unmap(memory_base + 64, 8).done());
    EXPECT_FALSE(writes(memory_base));
    EXPECT_TRUE(room().copies(room().a(), memory_base + 128, other));
}

TEST_F(Grants, AnIdenticalGrantTouchesNothing) {
    ASSERT_TRUE(map(memory_base, 3 * page + 7).done());
    ASSERT_TRUE(writes(memory_base));
    const auto flushed = flushes(), commanded = commands();
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(map(memory_base, 3 * page + 7).done());
    EXPECT_EQ(flushes(), flushed);
    EXPECT_EQ(commands(), commanded);
    EXPECT_TRUE(writes(memory_base));
    ASSERT_TRUE(unmap(memory_base, page).done());
    EXPECT_GT(flushes(), flushed) << "the count is able to see a change";
}

TEST_F(Grants, ReaimingLandsInTheNewTargetAndNeverInTheOld) {
    constexpr std::uint64_t window = 0x4000'0000;
    ASSERT_TRUE(map(window, page, to_target, memory_base).done());
    EXPECT_TRUE(writes(window, memory_base));
    for (std::uint64_t i = 1; i < 12; ++i) {
        const std::uint64_t fresh = memory_base + i * page, old = fresh - page;
        ASSERT_TRUE(map(window, page, to_target, fresh).done());
        room().ram().fill({old}, page, 0);
        EXPECT_TRUE(writes(window, fresh)) << i;
        EXPECT_TRUE(room().all(old, page, 0)) << i;
    }
    // Half of a range is aimed anew; the other half stays.
    ASSERT_TRUE(map(window, 2 * page, to_target, memory_base).done());
    ASSERT_TRUE(map(window + page, page, to_target, memory_base + 8 * page).done());
    EXPECT_TRUE(writes(window, memory_base));
    EXPECT_TRUE(writes(window + page, memory_base + 8 * page));
    ASSERT_TRUE(unmap(window, 2 * page).done());
    EXPECT_FALSE(writes(window, memory_base));
    EXPECT_FALSE(writes(window + page, memory_base + 8 * page));
}

TEST_F(Grants, EntriesOfATargetCallFollowOneAnother) {
    const Answer answer = driver_.run([object = object_] {
        smmu_map_entry entries[3] = {};
        entries[0].phys = 0x5000'0000;
        entries[0].len = 2 * page;
        entries[1].phys = 0x6000'0000;
        entries[1].len = page;
        entries[2].phys = 0x4000'0000;
        entries[2].len = page;
        return long{smmu_mapping_add(object, to_target, 0, 3, entries, memory_base)};
    });
    ASSERT_TRUE(answer.done()) << testing::PrintToString(answer);
    EXPECT_TRUE(writes(0x5000'1000, memory_base + page));
    EXPECT_TRUE(writes(0x6000'0000, memory_base + 2 * page));
    EXPECT_TRUE(writes(0x4000'0ff0, memory_base + 3 * page + 0xff0));
}

TEST_F(Grants, TargetsThatDisagreeWithinAPageAreRefusedAndChangeNothing) {
    constexpr std::uint64_t window = 0x4000'0000;
    EXPECT_TRUE(map(window, page, to_target, memory_base + 8).failed_with(EINVAL));
    ASSERT_TRUE(map(window, 256, to_target, memory_base).done());
    EXPECT_TRUE(map(window + 512, 256, to_target, memory_base + page + 512).failed_with(EINVAL));
    EXPECT_TRUE(writes(window, memory_base)) << "all as before";
    EXPECT_TRUE(map(window + 512, 256, to_target, memory_base + 512).done());
    // Judged on the result of the whole call: the new target covers all there is.
    EXPECT_TRUE(map(window, page, to_target, memory_base + page).done());
    EXPECT_TRUE(writes(window, memory_base + page));
}

TEST_F(Grants, AFailingCallChangesNothing) {
    ASSERT_TRUE(map(memory_base, page).done());
    const Answer answer = driver_.run([object = object_] {
        smmu_map_entry entries[3] = {};
        entries[0].phys = memory_base + page;
        entries[0].len = page;
        entries[1].phys = memory_base;
        entries[1].len = 0;
        entries[2].phys = memory_base + 2 * page;
        entries[2].len = page;
        return long{smmu_mapping_add(object, rw, 0, 3, entries, 0)};
    });
    EXPECT_TRUE(answer.failed_with(EINVAL));
    EXPECT_TRUE(writes(memory_base));
    EXPECT_FALSE(writes(memory_base + page));
    EXPECT_FALSE(writes(memory_base + 2 * page));
}

TEST_F(Grants, ListsTooLongForAPacketTravelByFile) {
    constexpr unsigned count = 100'000;  // every other page of memory that is not there
    const auto list = [object = object_](unsigned flags) {
        return [object, flags] {
            std::vector<smmu_map_entry> entries(count);
            for (std::uint64_t i = 0; i < count; ++i) {
                entries[i].phys = 0x2'0000'0000 + 2 * i * page;
                entries[i].len = 16;
            }
            entries[count - 1].phys = memory_base;
            return long{smmu_mapping_add(object, flags, 0, count, entries.data(), 0)};
        };
    };
    const Answer added = driver_.run(list(rw));
    ASSERT_TRUE(added.done()) << testing::PrintToString(added);
    EXPECT_TRUE(writes(memory_base));
    EXPECT_TRUE(driver_.run(list(SMF_NONE)).done());
    EXPECT_FALSE(writes(memory_base));
    const Answer too_many = driver_.run([object = object_] {
        std::vector<smmu_map_entry> entries(1'048'577);
        for (auto& entry : entries) {
            entry.phys = memory_base;
            entry.len = 1;
        }
        return long{smmu_mapping_add(object, rw, 0, unsigned(entries.size()), entries.data(), 0)};
    });
    EXPECT_TRUE(too_many.failed_with(E2BIG)) << testing::PrintToString(too_many);
}

TEST_F(Grants, MemoryByDescriptorIsReachedAtItsDeviceAddress) {
    const auto add = [object = object_](std::uint64_t offset, std::uint64_t length) {
        return [object, offset, length] {
            return long{smmu_mapping_add_fd(object, rw, ClientProcess::ram_descriptor, offset,
                                            length, 0x7000'0000)};
        };
    };
    const Answer answer = driver_.run(add(memory_base, 2 * page));
    ASSERT_TRUE(answer.done()) << testing::PrintToString(answer);
    EXPECT_TRUE(writes(0x7000'0000, memory_base));
    EXPECT_TRUE(writes(0x7000'1000, memory_base + page));
    EXPECT_FALSE(writes(0x7000'2000, memory_base + 2 * page));
    EXPECT_FALSE(writes(memory_base));
    const auto objects = room().status().objects;
    ASSERT_EQ(objects.size(), 1u);
    ASSERT_EQ(objects.front().mappings.size(), 1u);
    EXPECT_TRUE(objects.front().mappings.front().by_fd);
    EXPECT_TRUE(unmap(0x7000'0000, 2 * page).done());
    EXPECT_FALSE(writes(0x7000'0000, memory_base));
    EXPECT_TRUE(driver_.run(add(memory_base + 8, 16)).failed_with(EINVAL)) << "no whole granule";
    EXPECT_TRUE(driver_.run(add(q35::ram_bytes, page)).failed_with(EINVAL)) << "beyond the file";
    EXPECT_TRUE(driver_.run(add(0, 0)).failed_with(EINVAL));
}

TEST_F(Grants, AnotherFileThanTheBoardsMemoryIsRefused) {
    const Answer wrong = driver_.run([object = object_] {
        const int file = memfd_create("wrong", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (ftruncate(file, 2 * page) != 0) return -2L;
        fcntl(file, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
        return long{smmu_mapping_add_fd(object, rw, file, 0, page, 0x7000'0000)};
    });
    EXPECT_TRUE(wrong.failed_with(EINVAL)) << testing::PrintToString(wrong);
    const Answer pipe_end = driver_.run([object = object_] {
        int ends[2];
        if (pipe(ends) != 0) return -2L;
        return long{smmu_mapping_add_fd(object, rw, ends[0], 0, page, 0x7000'0000)};
    });
    EXPECT_TRUE(pipe_end.failed_with(EINVAL)) << testing::PrintToString(pipe_end);
    const Answer closed = driver_.run(
        [object = object_] { return long{smmu_mapping_add_fd(object, rw, 987, 0, page, 0)}; });
    EXPECT_TRUE(closed.failed_with(EBADF)) << testing::PrintToString(closed);
    EXPECT_TRUE(map(memory_base, page).done()) << "the connection is as it was";
}

// A board's RAM stays where it is: what can be seen of the hold is who reaches it, and when no longer.
TEST_F(Grants, HandedOverMemoryIsReachedUntilItIsRemovedOrItsOwnerDies) {
    const auto add = [object = object_] {
        return long{smmu_mapping_add_fd(object, rw, ClientProcess::ram_descriptor, memory_base,
                                        page, 0x7000'0000)};
    };
    ASSERT_TRUE(driver_.run(add).done());
    EXPECT_TRUE(writes(0x7000'0000, memory_base));
    ASSERT_TRUE(unmap(0x7000'0000, page / 2).done());
    EXPECT_TRUE(writes(0x7000'0000, memory_base)) << "the other half keeps its page open";
    ASSERT_TRUE(unmap(0x7000'0000, page).done());
    EXPECT_FALSE(writes(0x7000'0000, memory_base));
    ASSERT_TRUE(driver_.run(add).done());
    EXPECT_TRUE(writes(0x7000'0000, memory_base));
    driver_.kill_now();
    EXPECT_TRUE(eventually([&] { return !writes(0x7000'0000, memory_base); }));
}

}  // namespace
}  // namespace smmu::test

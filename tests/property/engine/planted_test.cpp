// SPDX-License-Identifier: Apache-2.0
// Planted bugs: the checker of the engine property must find each of them, or its silence means nothing. Caches that are
// told too little, formats that hardware reads differently, and hands that write where they must not.
#include <gtest/gtest.h>

#include "paging/page_table_engine.hpp"
#include "paging/vtd_second_stage.hpp"
#include "tests/property/engine/checked_space.hpp"
#include "tests/property/engine/request_source.hpp"
#include "tests/unit/memory/owned_table_memory.hpp"

namespace smmu::paging::test {

struct SwappedPermissions : VtdSecondStage {
    static constexpr Entry swap(Entry entry) { return (entry & ~Entry{3}) | (entry & 1) << 1 | (entry >> 1 & 1); }
    static constexpr Entry make_leaf(PhysAddr memory, Access access, unsigned level) {
        return swap(VtdSecondStage::make_leaf(memory, access, level));
    }
    static constexpr Access leaf_access(Entry entry) { return VtdSecondStage::leaf_access(swap(entry)); }
};

struct LinkWithoutWrite : VtdSecondStage {
    static constexpr Entry make_link(PhysAddr table) { return VtdSecondStage::make_link(table) & ~write; }
};

struct ShiftedTarget : VtdSecondStage {
    static constexpr Entry make_leaf(PhysAddr memory, Access access, unsigned level) {
        return VtdSecondStage::make_leaf(memory + 0x1000, access, level);
    }
    static constexpr PhysAddr leaf_target(Entry entry, unsigned level) {
        return VtdSecondStage::leaf_target(entry, level) - 0x1000;
    }
};

struct SnoopBit : VtdSecondStage {
    static constexpr Entry make_leaf(PhysAddr memory, Access access, unsigned level) {
        return VtdSecondStage::make_leaf(memory, access, level) | 1 << 11;
    }
};

struct PageSizeEverywhere : VtdSecondStage {
    static constexpr Entry make_leaf(PhysAddr memory, Access access, unsigned) {
        return VtdSecondStage::make_leaf(memory, access, 1);
    }
};

namespace {

constexpr Geometry all_leaves{4, 48, 1 << 12 | 1 << 21 | 1 << 30, memory::Coherency::snooped};

template <class F>
class Stage {
public:
    Stage() : random_(seed_of_run()), source_(random_, 48, all_leaves.leaf_sizes) {
        for (auto& space : spaces)
            space = std::make_unique<CheckedSpace<F>>(*arena, memory.get(), account, all_leaves,
                                                      vtd_second_stage_layout(4, 48, all_leaves.leaf_sizes), random_());
    }
    ~Stage() {
        for (auto& space : spaces) space->release();
    }

    // Random requests until something is found; what it was.
    std::string play(int rounds) {
        for (int round = 0; round < rounds; ++round) {
            auto& space = *spaces[random_() % 2];
            (void)space.request(source_.next(space.oracle()), source_.options());
            for (auto& each : spaces) {
                if (!each->problem().empty()) return each->problem();
                if (const std::string stale = each->walker().stale(); !stale.empty()) return stale;
            }
        }
        return {};
    }

    const memory::OwnedTableMemory memory{700};
    std::unique_ptr<memory::Arena> arena = *memory::Arena::open(memory.get(), {});
    memory::Account account;
    std::unique_ptr<CheckedSpace<F>> spaces[2];

private:
    Random random_;
    RequestSource source_;
};

constexpr int enough = 150;

std::string found_with(Fault fault) {
    Stage<VtdSecondStage> stage;
    stage.spaces[0]->set_fault(fault, stage.spaces[1].get());
    stage.spaces[1]->set_fault(fault, stage.spaces[0].get());
    return stage.play(enough);
}

template <class F>
std::string found_with_format() {
    return Stage<F>().play(enough);
}

TEST(Planted, NothingIsFoundWhereNothingIsPlanted) { EXPECT_EQ(found_with(Fault::none), ""); }
TEST(Planted, InvalidationForgotten) { EXPECT_NE(found_with(Fault::nothing_forgotten), ""); }
TEST(Planted, InvalidationOnePageTooShort) { EXPECT_NE(found_with(Fault::last_page_kept), ""); }
TEST(Planted, OneOfSeveralRangesForgotten) { EXPECT_NE(found_with(Fault::first_range_kept), ""); }
TEST(Planted, LeafOnlyWhereTablesWent) { EXPECT_NE(found_with(Fault::walk_cache_kept), ""); }
TEST(Planted, FreedBeforeFlushed) { EXPECT_NE(found_with(Fault::forgotten_too_late), ""); }
TEST(Planted, InvalidationOfAnotherTag) { EXPECT_NE(found_with(Fault::other_tag), ""); }

TEST(Planted, PermissionsSwapped) { EXPECT_NE(found_with_format<SwappedPermissions>(), ""); }
TEST(Planted, LinksThatTakePermissionsAway) { EXPECT_NE(found_with_format<LinkWithoutWrite>(), ""); }
TEST(Planted, TargetsShifted) { EXPECT_NE(found_with_format<ShiftedTarget>(), ""); }
TEST(Planted, ReservedBitSet) { EXPECT_NE(found_with_format<SnoopBit>(), ""); }
TEST(Planted, PageSizeBitInLeafTables) { EXPECT_NE(found_with_format<PageSizeEverywhere>(), ""); }

// What a hand writes into live tables, past the one door.
class Tampering : public testing::Test {
protected:
    static constexpr IovaRange pages(std::uint64_t first, std::uint64_t last) {
        return {Iova{first << 12}, Iova{(last << 12) | 0xFFF}};
    }
    CheckedSpaceBase& space() { return *stage.spaces[0]; }
    int request(std::vector<Change> changes) { return space().request(changes, {}); }
    std::uint64_t* word_of(std::uint64_t iova) {
        std::uint64_t table = space().walker().root();
        for (unsigned level = 3; level > 0; --level)
            table = word_in(table, iova >> (12 + 9 * level) & 511)[0] & 0x000F'FFFF'FFFF'F000;
        return word_in(table, iova >> 12 & 511);
    }
    std::uint64_t* word_in(std::uint64_t table, std::uint64_t index) {
        return stage.arena->words_at(PhysAddr{table}) + index;
    }

    Stage<VtdSecondStage> stage;
};

TEST_F(Tampering, LiveEntryReplacedBeforeTheFlush) {
    ASSERT_EQ(request({Map{pages(1, 8), PhysAddr{0x10000}, read_write}}), 0);
    space().at_flush = [&] { *word_of(4 << 12) += 0x1000; };
    (void)request({Unmap{pages(2, 2)}});
    EXPECT_NE(space().problem(), "");
}

TEST_F(Tampering, LiveEntryReplacedWithoutAFlush) {
    ASSERT_EQ(request({Map{pages(1, 8), PhysAddr{0x10000}, read_write}}), 0);
    *word_of(4 << 12) ^= 2;
    EXPECT_EQ(space().problem(), "");
    (void)request({Map{pages(20, 20), PhysAddr{0x10000}, read_write}});
    EXPECT_NE(space().problem(), "");
}

TEST_F(Tampering, StaleSlotInALinkedTable) {
    ASSERT_EQ(request({Map{pages(1, 8), PhysAddr{0x10000}, read_write}}), 0);
    *word_of(100 << 12) = 0x7003;
    (void)request({Map{pages(20, 20), PhysAddr{0x10000}, read_write}});
    EXPECT_NE(space().problem(), "");
}

TEST_F(Tampering, EmptyTableLeftLinked) {
    ASSERT_EQ(request({Map{pages(1, 1), PhysAddr{0x10000}, read_write}}), 0);
    const std::uint64_t leaf = *word_of(1 << 12);
    *word_of(1 << 12) = 0;
    EXPECT_NE(space().walker().picture().problem, "");
    EXPECT_NE(space().shape(), "");
    *word_of(1 << 12) = leaf;
    EXPECT_EQ(space().walker().picture().problem, "");
    EXPECT_EQ(space().shape(), "");
}

TEST_F(Tampering, TableLinkedTwice) {
    ASSERT_EQ(request({Map{pages(1, 1), PhysAddr{0x10000}, read_write}}), 0);
    const std::uint64_t root = space().walker().root();
    *word_in(root, 5) = *word_in(root, 0);
    EXPECT_NE(space().walker().picture().problem, "");
    EXPECT_NE(space().shape(), "");
    *word_in(root, 5) = 0;
}

TEST_F(Tampering, LinkOutOfTheArenaIsNeverFollowed) {
    ASSERT_EQ(request({Map{pages(1, 1), PhysAddr{0x10000}, read_write}}), 0);
    *word_in(space().walker().root(), 7) = 0xDEAD'B000 | 3;
    EXPECT_DEATH((void)request({Unmap{pages(7ull << 27, 7ull << 27)}}), "internal error");
    EXPECT_NE(space().shape(), "");
    *word_in(space().walker().root(), 7) = 0;
}

}  // namespace
}  // namespace smmu::paging::test

namespace smmu::paging {
template class PageTable<test::SwappedPermissions>;
template class PageTable<test::LinkWithoutWrite>;
template class PageTable<test::ShiftedTarget>;
template class PageTable<test::SnoopBit>;
template class PageTable<test::PageSizeEverywhere>;
}  // namespace smmu::paging

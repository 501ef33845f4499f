// SPDX-License-Identifier: Apache-2.0
// Changes that need no plan: which are carried out in place, and which are not.
#include "tests/unit/paging/paged_space_fixture.hpp"

namespace smmu::units::testing {
namespace {

TEST_F(PagedSpaceTest, WhatNeedsNoTableIsDoneInPlace) {
    const auto map = [&](IovaRange where, std::uint64_t to) { return *space->map_in_place({where, PhysAddr{to}, read_write}); };
    const auto unmap = [&](IovaRange where) { return *space->unmap_in_place(where); };
    EXPECT_FALSE(map(range(0, k4), g1)) << "there is no table";
    EXPECT_FALSE(unmap(range(0, k4)));
    ASSERT_EQ(request({Map{range(m2 - k4, k4), PhysAddr{0}, read_write}}), 0);
    log = {};
    EXPECT_TRUE(map(range(0, k4), g1));
    EXPECT_EQ(log.appeared, (std::vector{Map{range(0, k4), PhysAddr{g1}, read_write}}));
    EXPECT_TRUE(map(range(8 * k4, 16 * k4), 2 * g1));
    EXPECT_EQ(target(23 * k4 + 5), 2 * g1 + 15 * k4 + 5);
    EXPECT_EQ(log.flushes, 0) << "nothing was there";
    EXPECT_FALSE(map(range(0, k4), g1)) << "over another";
    EXPECT_FALSE(map(range(4 * k4, 8 * k4), g1)) << "over another in part";
    EXPECT_FALSE(map(range(k4, k4), 8)) << "physically misaligned";
    EXPECT_FALSE(map(range(k4, k4), std::uint64_t{1} << 52)) << "no entry can say it";
    EXPECT_FALSE(map(range(k4, 2 * k4), (std::uint64_t{1} << 52) - k4)) << "nor of its last page";
    EXPECT_FALSE(map(range(k4, k4 / 2), g1)) << "half a page";
    EXPECT_FALSE(map(range(k4 + 8, k4), g1));
    EXPECT_FALSE(map(range(m2 - 2 * k4, 4 * k4), g1)) << "beyond the table";
    EXPECT_FALSE(*space->map_in_place({range(k4, k4), PhysAddr{g1}, Access::execute}));
    EXPECT_FALSE(unmap(range(k4, k4))) << "nothing is there";
    EXPECT_FALSE(unmap(range(0, 16 * k4))) << "not all of it is";
    EXPECT_FALSE(unmap(range(8 * k4, k4 / 2)));
    EXPECT_TRUE(unmap(range(0, k4)));
    EXPECT_EQ(log.ranges, (std::vector{range(0, k4)}));
    EXPECT_TRUE(unmap(range(8 * k4, 16 * k4)));
    EXPECT_EQ(log.ranges, (std::vector{range(8 * k4, 16 * k4)}));
    EXPECT_TRUE(log.leaf_only);
    EXPECT_EQ(log.flushes, 2);
    EXPECT_FALSE(unmap(range(m2 - k4, k4))) << "its table would stay behind empty";
    EXPECT_EQ(space->table().check_shape(), "");
    EXPECT_EQ(space->table_frames(), 4u);
}

TEST_F(PagedSpaceTest, LargeLeavesInPlace) {
    const auto map = [&](IovaRange where, std::uint64_t to) { return *space->map_in_place({where, PhysAddr{to}, read_write}); };
    ASSERT_EQ(request({Map{range(g1 - k4, k4), PhysAddr{0}, read_write}}), 0);
    EXPECT_FALSE(map(range(0, m2), g1)) << "the first leaf that can be cut needs a reserve";
    ASSERT_EQ(request({Map{range(0, m2), PhysAddr{g1}, read_write}}), 0);
    const std::uint64_t frames = space->table_frames();
    EXPECT_TRUE(map(range(m2, 4 * m2), 4 * g1));
    EXPECT_FALSE(map(range(4 * g1, 2 * g1), 8 * g1)) << "a deeper cut needs a larger one";
    ASSERT_EQ(request({Map{range(3 * g1, g1), PhysAddr{0}, read_write}}), 0);
    EXPECT_EQ(space->table_frames(), frames + 2);
    EXPECT_TRUE(map(range(4 * g1, 2 * g1), 8 * g1));
    EXPECT_EQ(target(4 * m2 + 5), 4 * g1 + 3 * m2 + 5);
    EXPECT_EQ(target(6 * g1 - 1), 10 * g1 - 1);
    EXPECT_FALSE(map(range(8 * m2, m2), g1 + k4)) << "its memory has no leaf of that size: it takes a table";
    EXPECT_FALSE(map(range(3 * m2, 4 * m2), 4 * g1)) << "over others in part";
    EXPECT_FALSE(map(range(g1 - m2, m2), 4 * g1)) << "over a table";
    EXPECT_FALSE(*space->unmap_in_place(range(m2 + k4, m2 - k4))) << "it would have to be cut";
    EXPECT_FALSE(*space->unmap_in_place(range(m2, g1 - m2))) << "some is not mapped, some is a table";
    EXPECT_EQ(space->table().check_shape(), "");
    for (std::uint64_t slot = 5; slot < 511; ++slot) ASSERT_TRUE(map(range(slot * m2, m2), slot * m2));
    EXPECT_FALSE(*space->unmap_in_place(range(m2, g1 - m2))) << "the last is a table";
    EXPECT_TRUE(*space->unmap_in_place(range(m2, g1 - 2 * m2)));
    EXPECT_EQ(log.ranges, (std::vector{range(m2, g1 - 2 * m2)}));
    EXPECT_TRUE(*space->unmap_in_place(range(4 * g1, g1)));
    EXPECT_EQ(space->table().check_shape(), "");
    EXPECT_EQ(space->table_frames(), frames + 2);
    EXPECT_EQ(target(0), g1);
    EXPECT_EQ(target(5 * g1), 9 * g1);
}

TEST_F(PagedSpaceTest, NothingIsDoneInPlaceBesideAPlan) {
    ASSERT_EQ(request({Map{range(0, 2 * k4), PhysAddr{0}, read_write}}), 0);
    for (std::uint64_t page = 5; page < 8; ++page) ASSERT_TRUE(*space->map_in_place({range(page * k4, k4), PhysAddr{0}, read_write}));
    auto plan = space->prepare(std::vector<Change>{Map{range(g1, k4), PhysAddr{0}, read_write}});
    ASSERT_TRUE(plan.has_value());
    EXPECT_FALSE(*space->map_in_place({range(4 * k4, k4), PhysAddr{0}, read_write})) << "its table is the one used last";
    EXPECT_EQ(target(0), 0u);
    EXPECT_FALSE(*space->map_in_place({range(4 * k4, k4), PhysAddr{0}, read_write}));
    EXPECT_FALSE(*space->map_in_place({range(4 * k4, 2 * k4), PhysAddr{0}, read_write}));
    EXPECT_FALSE(*space->unmap_in_place(range(0, k4)));
    space->abandon(std::move(*plan));
    EXPECT_TRUE(*space->unmap_in_place(range(0, k4)));
}

TEST_F(PagedSpaceTest, HardwareThatDoesNotConfirmWhatWasDoneInPlace) {
    ASSERT_EQ(request({Map{range(0, 2 * k4), PhysAddr{0}, read_write}}), 0);
    log.sees = false;
    EXPECT_EQ(space->map_in_place({range(4 * k4, k4), PhysAddr{0}, read_write}).error().code, EIO);
    EXPECT_EQ(log.failures, 1);
    log.confirms = false;
    EXPECT_EQ(space->unmap_in_place(range(0, k4)).error().code, EIO);
    EXPECT_EQ(log.failures, 2);
    EXPECT_EQ(target(0), ~std::uint64_t{0}) << "removals are not undone";
}

}  // namespace
}  // namespace smmu::units::testing

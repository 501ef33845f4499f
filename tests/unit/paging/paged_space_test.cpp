// SPDX-License-Identifier: Apache-2.0
// PagedSpace and the page table under it: every refusal, leaf sizes, splitting, steps, and hardware that does not answer.
#include "tests/unit/paging/paged_space_fixture.hpp"

namespace smmu::units::testing {
namespace {

class Confirming final : public memory::Invalidator {
    Result<void> invalidate(const memory::Gather&) override { return {}; }
};

TEST_F(PagedSpaceTest, GeometriesThatCannotBe) {
    const auto code = [&](paging::Geometry geometry) {
        auto table = Table::create(geometry, *arena, account);
        if (!table) return table.error().code;
        memory::Gather never_linked;
        table->release(never_linked);
        arena->reclaim(*Confirming().flush(std::move(never_linked), *arena));
        return 0;
    };
    EXPECT_EQ(code({0, 48, k4, Coherency::snooped}), EINVAL);
    EXPECT_EQ(code({7, 63, k4, Coherency::snooped}), EINVAL);
    EXPECT_EQ(code({4, 12, k4, Coherency::snooped}), EINVAL) << "not one page";
    EXPECT_EQ(code({4, 39, k4, Coherency::snooped}), 0) << "one entry of the top level is in use";
    EXPECT_EQ(code({3, 48, k4, Coherency::snooped}), EINVAL) << "more than joined roots can do";
    EXPECT_EQ(code({4, 48, 0, Coherency::snooped}), EINVAL);
    EXPECT_EQ(code({4, 48, k4 | 1 << 16, Coherency::snooped}), EINVAL) << "no level has leaves of 64 KiB";
    memory::Account small{.limit = 0};
    EXPECT_EQ(Table::create({4, 48, k4, Coherency::snooped}, *arena, small).error().code, EDQUOT);
    EXPECT_EQ(small.held, 0u);
}

TEST_F(PagedSpaceTest, RequestsThatAreRefused) {
    const Map good{range(0x10000, k4), PhysAddr{0x5000}, read_write};
    EXPECT_EQ(code_of({good}), 0);
    EXPECT_EQ(code_of({Map{range(std::uint64_t{1} << 48, k4), PhysAddr{0}, read_write}}), ERANGE);
    EXPECT_EQ(code_of({Unmap{range((std::uint64_t{1} << 48) - k4, 2 * k4)}}), ERANGE);
    EXPECT_EQ(code_of({Map{range(0x10000, 8), PhysAddr{0}, read_write}}), EINVAL);
    EXPECT_EQ(code_of({Unmap{range(0x10008, k4)}}), EINVAL);
    EXPECT_EQ(code_of({Map{range(0x10000, k4), PhysAddr{0x10}, read_write}}), EINVAL);
    EXPECT_EQ(code_of({Map{range(0x10000, k4), PhysAddr{std::uint64_t{1} << 52}, read_write}}), ERANGE);
    EXPECT_EQ(code_of({Map{range(0, 2 * k4), PhysAddr{(std::uint64_t{1} << 52) - k4}, read_write}}), ERANGE);
    EXPECT_EQ(code_of({Map{range(0, 2 * k4), PhysAddr{~std::uint64_t{0xFFF}}, read_write}}), ERANGE);
    EXPECT_EQ(code_of({Map{range(0x10000, k4), PhysAddr{0}, Access::none}}), EINVAL);
    EXPECT_EQ(code_of({Map{range(0x10000, k4), PhysAddr{0}, Access::execute}}), EINVAL);
    EXPECT_EQ(code_of({good, Map{range(0xF000, 2 * k4), PhysAddr{0}, Access::read}}), EINVAL);
    EXPECT_EQ(request({good}), 0);
    EXPECT_EQ(code_of({good}), EINVAL) << "mapped already";
    EXPECT_EQ(code_of({Unmap{good.range}, good}), 0);
    EXPECT_EQ(code_of({Unmap{range(0x20000, k4)}, Map{range(0xF000, 3 * k4), PhysAddr{0}, Access::read}}), EINVAL);
    EXPECT_EQ(target(0x10123), 0x5123u);
}

TEST_F(PagedSpaceTest, OneRequestAtATime) {
    const std::vector<Change> changes{Map{range(0, k4), PhysAddr{0}, read_write}};
    auto plan = space->prepare(changes);
    ASSERT_TRUE(plan.has_value());
    EXPECT_EQ(code_of({}), EBUSY);
    space->abandon(std::move(*plan));
    EXPECT_EQ(code_of({}), 0);
}

TEST_F(PagedSpaceTest, BiggestLeavesThatFit) {
    EXPECT_EQ(request({Map{range(g1 - m2 - k4, g1 + 2 * m2 + 2 * k4), PhysAddr{5 * g1 - m2 - k4}, read_write}}), 0);
    EXPECT_EQ(leaves(), (std::vector<unsigned>{12, 21, 30, 21, 12}));
    EXPECT_EQ(log.flushes, 0) << "nothing was removed";
    EXPECT_EQ(log.appeared.size(), 1u);
    EXPECT_EQ(target(g1 + 5), 5 * g1 + 5);
    EXPECT_EQ(request({Unmap{range(0, std::uint64_t{1} << 47)}}), 0);
    EXPECT_EQ(log.flushes, 1);
    EXPECT_FALSE(log.leaf_only);
    EXPECT_TRUE(leaves().empty());
    // Memory that is aligned to less than the device addresses.
    EXPECT_EQ(request({Map{range(g1, g1), PhysAddr{m2 + g1}, read_write}}), 0);
    EXPECT_EQ(leaves(), std::vector<unsigned>(512, 21));
    EXPECT_EQ(request({Unmap{range(g1, g1)}, Map{range(g1, m2), PhysAddr{k4}, Access::write}}), 0);
    EXPECT_EQ(leaves(), std::vector<unsigned>(512, 12));
    EXPECT_EQ(space->table().translate(Iova{g1})->access, Access::write);
}

TEST_F(PagedSpaceTest, LeavesAllowWhatWasAskedAndNoMore) {
    ASSERT_EQ(request({Map{range(0, k4), PhysAddr{0x5000}, read_write}}), 0);
    // Beside the page in its table, and in a table of their own.
    for (const std::uint64_t at : {k4, m2}) {
        ASSERT_EQ(request({Map{range(at, k4), PhysAddr{0x6000}, Access::write}}), 0);
        ASSERT_EQ(request({Map{range(at + k4, k4), PhysAddr{0x7000}, Access::read}}), 0);
        EXPECT_EQ(space->table().translate(Iova{at})->access, Access::write);
        EXPECT_EQ(space->table().translate(Iova{at + k4})->access, Access::read);
    }
}

TEST_F(PagedSpaceTest, FlushesSayNoMoreThanWasRemoved) {
    ASSERT_EQ(request({Map{range(0, 16 * k4), PhysAddr{0x100000}, read_write}}), 0);
    ASSERT_EQ(request({Unmap{range(4 * k4, k4)}}), 0);
    EXPECT_TRUE(log.leaf_only) << "the table stays";
    EXPECT_EQ(log.ranges, (std::vector{range(4 * k4, k4)}));
    ASSERT_EQ(request({Unmap{range(0, m2)}}), 0);
    EXPECT_FALSE(log.leaf_only);
    ASSERT_EQ(request({Unmap{range(0, g1)}}), 0);
    EXPECT_EQ(log.flushes, 2) << "nothing was there";
}

TEST_F(PagedSpaceTest, CuttingALeafIsBreakFlushMake) {
    ASSERT_EQ(request({Map{range(0, 2 * m2), PhysAddr{8 * m2}, read_write}}), 0);
    const std::vector<Change> changes{Unmap{range(m2 - k4, 3 * k4)}};
    auto plan = space->prepare(changes);
    ASSERT_TRUE(plan.has_value());
    EXPECT_EQ(std::vector(plan->removals().begin(), plan->removals().end()), (std::vector{Unmap{range(0, 2 * m2)}}));
    EXPECT_EQ(std::vector(plan->disturbed().begin(), plan->disturbed().end()), (std::vector{range(0, m2 - k4), range(m2 + 2 * k4, m2 - 2 * k4)}));
    EXPECT_EQ(plan->additions().size(), 2u);
    Budget all;
    ASSERT_TRUE(space->commit(*plan, all).has_value());
    EXPECT_EQ(log.flushes, 1);
    EXPECT_EQ(leaves().size(), 1024u - 3u);
    EXPECT_EQ(target(m2 - k4), ~std::uint64_t{0});
    EXPECT_EQ(target(m2 + 2 * k4), 9 * m2 + 2 * k4);
}

TEST_F(PagedSpaceTest, WhatIsRefusedOrAbandonedCostsNothing) {
    constexpr std::uint64_t t1 = std::uint64_t{1} << 40;
    const auto large = [](std::uint64_t at) { return Map{range(at, m2), PhysAddr{0}, read_write}; };
    ASSERT_EQ(request({Map{range(0, k4), PhysAddr{0}, read_write}}), 0);
    const std::uint64_t held = account.held;
    account.limit = held + 4;  // the reserve for cut leaves, and two tables
    EXPECT_EQ(code_of({large(t1), large(2 * t1)}), EDQUOT);
    EXPECT_EQ(account.held, held);
    EXPECT_EQ(code_of({large(t1)}), 0);
    EXPECT_EQ(account.held, held) << "abandoned";
    ASSERT_EQ(request({large(t1)}), 0);
    EXPECT_EQ(account.held, held + 4);
    ASSERT_EQ(request({Unmap{range(t1, m2)}}), 0);
    EXPECT_EQ(account.held, held + 2) << "the reserve stays while anything is mapped";
    ASSERT_EQ(request({Unmap{range(0, k4)}}), 0);
    EXPECT_EQ(account.held, 1u) << "the root";
}

TEST_F(PagedSpaceTest, ListsOfPages) {
    std::vector<PhysAddr> pages;
    for (std::uint64_t i = 0; i < 600; ++i) pages.push_back({(i * 7919 % 1000) * k4});
    pages[3] = pages[2];  // a page may be there twice
    const IovaRange listed = range(m2 - 5 * k4, 600 * k4);
    ASSERT_EQ(request({Map{listed, {}, Access::read, pages.data()}}), 0);
    for (std::uint64_t i = 0; i < pages.size(); ++i)
        ASSERT_EQ(target(listed.first.value + i * k4 + 5), pages[i].value + 5) << i;
    EXPECT_EQ(space->table().translate(listed.first)->access, Access::read);
    EXPECT_EQ(leaves().size(), 600u) << "never larger ones";
    ASSERT_EQ(request({Unmap{range(m2, k4)}}), 0);
    ASSERT_EQ(request({Map{range(m2, k4), {}, read_write, &pages[9]}}), 0) << "in a table that is there";
    EXPECT_EQ(target(m2), pages[9].value);
    EXPECT_EQ(code_of({Map{listed, {}, Access::read, pages.data()}}), EINVAL) << "mapped already";
    const IovaRange elsewhere = range(g1, 600 * k4);
    for (const std::uint64_t wrong : {std::uint64_t{8}, std::uint64_t{1} << 52}) {
        pages[599].value = wrong;
        EXPECT_EQ(code_of({Map{elsewhere, {}, Access::read, pages.data()}}), wrong == 8 ? EINVAL : ERANGE);
    }
}

TEST_F(PagedSpaceTest, RemovalsNeverLackMemory) {
    ASSERT_EQ(request({Map{range(0, 2 * g1), PhysAddr{0}, read_write}}), 0);
    account.limit = account.held;
    const std::uint64_t frames = space->table_frames();
    EXPECT_EQ(request({Map{range(8 * g1, k4), PhysAddr{0}, read_write}}), EDQUOT);
    auto none = space->prepare(std::vector<Change>{Unmap{range(g1 - k4, 2 * k4)}});
    ASSERT_TRUE(none.has_value());
    EXPECT_TRUE(none->starved().empty()) << "the reserve is for this";
    Budget all;
    ASSERT_TRUE(space->commit(*none, all).has_value());
    EXPECT_EQ(target(g1 - k4), ~std::uint64_t{0});
    EXPECT_EQ(target(g1 - k4 - 1), g1 - k4 - 1);
    EXPECT_EQ(space->table_frames(), frames) << "four tables more, four of the reserve less";
    // The reserve is used up: what can no longer be rebuilt closes, and the plan says so.
    auto starved = space->prepare(std::vector<Change>{Unmap{range(2 * m2, k4)}, Unmap{range(4 * m2, k4)}});
    ASSERT_TRUE(starved.has_value());
    EXPECT_FALSE(starved->starved().empty());
    ASSERT_TRUE(space->commit(*starved, all).has_value());
    for (const IovaRange& closed : {range(2 * m2, k4), range(3 * m2 - k4, k4), range(4 * m2, k4), range(5 * m2 - k4, k4)})
        EXPECT_EQ(target(closed.first.value), ~std::uint64_t{0});
    EXPECT_EQ(space->table().check_shape(), "");
    account.limit = ~std::uint64_t{0};
    EXPECT_EQ(code_of({}), 0);
    EXPECT_EQ(space->table().check_shape(), "");
}

TEST_F(PagedSpaceTest, TablesThatComeBackAreNotTakenBefore) {
    // All of a leaf table goes, and all but a page of it is wanted again; so of the tables above.
    ASSERT_EQ(request({Map{range(0, 3 * k4), PhysAddr{0}, read_write}}), 0);
    account.limit = account.held;
    EXPECT_EQ(request({Unmap{range(0, 3 * k4)}, Map{range(k4, 2 * k4), PhysAddr{g1}, read_write}}), 0);
    EXPECT_EQ(target(k4), g1);
    EXPECT_EQ(target(0), ~std::uint64_t{0});
    EXPECT_EQ(account.held, account.limit);
    // A cut that leaves nothing else in the tables above it takes the two tables below.
    account.limit = ~std::uint64_t{0};
    ASSERT_EQ(request({Unmap{range(0, g1)}, Map{range(g1, g1), PhysAddr{0}, read_write}}), 0);
    account.limit = account.held;
    ASSERT_EQ(request({Unmap{range(g1, g1 - k4)}}), 0);
    EXPECT_EQ(target(2 * g1 - k4), g1 - k4);
    EXPECT_EQ(space->table().check_shape(), "");
    EXPECT_EQ(account.held, account.limit) << "out of the reserve";
}

TEST_F(PagedSpaceTest, LargeRequestsInSteps) {
    start(4, 48, k4);
    const IovaRange region = range(3 * g1 + 5 * k4, 2 * g1);
    auto plan = space->prepare(std::vector<Change>{Map{region, PhysAddr{k4}, read_write}});
    ASSERT_TRUE(plan.has_value());
    int steps = 0;
    for (;;) {
        Budget budget{50};
        const auto progress = space->commit(*plan, budget);
        ASSERT_TRUE(progress.has_value());
        ++steps;
        ASSERT_EQ(space->table().check_shape(), "");
        if (*progress == Progress::done) break;
        EXPECT_TRUE(log.appeared.empty());
        EXPECT_NE(target(region.first.value), ~std::uint64_t{0});
        EXPECT_EQ(target(region.last.value), ~std::uint64_t{0});
    }
    EXPECT_GT(steps, 15);
    EXPECT_LT(steps, 40);
    EXPECT_EQ(target(region.last.value), 2 * g1 + k4 - 1);
    Budget none{0};
    EXPECT_EQ(*space->commit(*plan, none), Progress::done) << "a finished plan stays finished";
    const std::uint64_t frames = space->table_frames();
    EXPECT_GE(frames, 1025u);
    ASSERT_EQ(request({Unmap{region}}), 0);
    EXPECT_EQ(space->table_frames(), 1u) << "the root";
    EXPECT_EQ(log.ranges, (std::vector{region}));
}

TEST_F(PagedSpaceTest, AbandonedHalfWay) {
    start(4, 48, k4);
    auto plan = space->prepare(std::vector<Change>{Map{range(0, g1), PhysAddr{0}, read_write}});
    ASSERT_TRUE(plan.has_value());
    Budget some{10};
    EXPECT_EQ(*space->commit(*plan, some), Progress::more);
    space->abandon(std::move(*plan));
    EXPECT_EQ(space->table().check_shape(), "");
    EXPECT_NE(target(0), ~std::uint64_t{0});
    EXPECT_LT(space->table_frames(), 30u);
    EXPECT_EQ(request({Unmap{range(0, g1)}}), 0);
    EXPECT_EQ(target(0), ~std::uint64_t{0});
}

TEST_F(PagedSpaceTest, HardwareThatDoesNotConfirm) {
    ASSERT_EQ(request({Map{range(0, 4 * k4), PhysAddr{0}, read_write}}), 0);
    log.confirms = false;
    log.appeared.clear();
    EXPECT_EQ(request({Unmap{range(0, 4 * k4)}, Map{range(g1, 2 * g1), PhysAddr{0}, read_write}}), EIO);
    EXPECT_EQ(log.failures, 1);
    EXPECT_TRUE(log.appeared.empty());
    EXPECT_EQ(arena->count().quarantined, 3u) << "hardware may still be in them";
    EXPECT_EQ(target(0), ~std::uint64_t{0}) << "removals are not undone";
    EXPECT_EQ(target(g1), ~std::uint64_t{0}) << "nothing is added after a failure";
    EXPECT_EQ(space->table_frames(), 1u);
    EXPECT_EQ(space->table().check_shape(), "");
    EXPECT_EQ(space->release().error().code, EIO);
    EXPECT_EQ(log.failures, 2);
    EXPECT_EQ(arena->count().quarantined, 4u);
    EXPECT_EQ(arena->count().used, 0u);
    space.reset();
}

TEST_F(PagedSpaceTest, AdditionsThatHardwareDoesNotSee) {
    log.sees = false;
    EXPECT_EQ(request({Map{range(0, k4), PhysAddr{0}, read_write}}), EIO);
    EXPECT_EQ(log.failures, 1);
}

TEST_F(PagedSpaceTest, ATableIsNeverDroppedByMistake) {
    EXPECT_DEATH({ auto lost = Table::create({4, 48, k4, Coherency::snooped}, *arena, account); }, "internal error");
}

}  // namespace
}  // namespace smmu::units::testing

// SPDX-License-Identifier: Apache-2.0
// PagedSpace and the page table under it: every refusal, leaf sizes, splitting, steps, and hardware that does not answer.
#include "units/paged_space.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "paging/vtd_second_stage.hpp"
#include "tests/unit/memory/owned_table_memory.hpp"

namespace smmu::units {
namespace {

using memory::Coherency;
using paging::Map;
using paging::Unmap;
using Table = paging::PageTable<paging::VtdSecondStage>;
using Space = PagedSpace<paging::VtdSecondStage>;

constexpr std::uint64_t k4 = 1 << 12, m2 = 1 << 21, g1 = 1 << 30;

struct Log {
    bool confirms = true, sees = true;
    int flushes = 0, failures = 0;
    bool leaf_only = false;
    std::vector<IovaRange> ranges;
    std::vector<Map> appeared;
};

class Caches final : public SpaceCaches {
public:
    explicit Caches(Log& log) : log_(log) {}
    Result<void> appeared(std::span<const Map> additions) override {
        log_.appeared.assign(additions.begin(), additions.end());
        if (log_.sees) return {};
        return fail(EIO, "no answer");
    }
    void failed() noexcept override { ++log_.failures; }

private:
    Result<void> invalidate(const memory::Gather& gathered) override {
        ++log_.flushes;
        log_.leaf_only = gathered.leaf_only();
        log_.ranges.assign(gathered.ranges().begin(), gathered.ranges().end());
        if (log_.confirms) return {};
        return fail(EIO, "no answer");
    }
    Log& log_;
};

class PagedSpaceTest : public testing::Test {
protected:
    void SetUp() override { start(4, 48, k4 | m2 | g1); }
    void TearDown() override {
        if (!space) return;
        log.confirms = true;
        EXPECT_TRUE(space->release().has_value());
        space.reset();
        EXPECT_EQ(account.held, 0u);
        EXPECT_EQ(arena->count().used, 0u);
    }

    void start(unsigned levels, unsigned bits, std::uint64_t leaf_sizes) {
        if (space) {
            ASSERT_TRUE(space->release().has_value());
        }
        space = std::make_unique<Space>(*Table::create({levels, bits, leaf_sizes, Coherency::snooped}, *arena, account),
                                        *arena, std::make_unique<Caches>(log));
    }
    static IovaRange range(std::uint64_t first, std::uint64_t length) {
        return *IovaRange::from_length(Iova{first}, length);
    }
    int code_of(std::vector<Change> changes) {
        auto plan = space->prepare(changes);
        if (!plan) return plan.error().code;
        space->abandon(std::move(*plan));
        return 0;
    }
    int request(std::vector<Change> changes) {
        auto plan = space->prepare(changes);
        if (!plan) return plan.error().code;
        Budget all;
        const auto progress = space->commit(*plan, all);
        if (!progress) return progress.error().code;
        EXPECT_EQ(*progress, Progress::done);
        EXPECT_EQ(space->table().check_shape(), "");
        return 0;
    }
    std::vector<unsigned> leaves() {
        std::vector<unsigned> sizes;
        space->table().visit([&](IovaRange, const paging::Translation& t) { sizes.push_back(t.leaf_log2); });
        return sizes;
    }
    std::uint64_t target(std::uint64_t iova) {
        const auto physical = space->translate(Iova{iova});
        return physical ? physical.physical.value : ~std::uint64_t{0};
    }

    const memory::OwnedTableMemory memory{4096};
    std::unique_ptr<memory::Arena> arena = *memory::Arena::open(memory.get(), {});
    memory::Account account;
    Log log;
    std::unique_ptr<Space> space;
};

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
    auto plan = space->prepare(std::vector<Change>{Map{range(g1, k4), PhysAddr{0}, read_write}});
    ASSERT_TRUE(plan.has_value());
    EXPECT_EQ(target(0), 0u) << "its table is the one used last";
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
}  // namespace smmu::units

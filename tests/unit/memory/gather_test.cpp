// SPDX-License-Identifier: Apache-2.0
// Gather: what it covers is never less than what it was told; frames go back only by a confirmed flush.
#include "memory/gather.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <type_traits>

#include "memory/arena.hpp"
#include "memory/coherency.hpp"
#include "tests/unit/memory/owned_table_memory.hpp"

namespace smmu::memory {
namespace {

std::vector<IovaRange> listed(const Gather& gathered) { return {gathered.ranges().begin(), gathered.ranges().end()}; }

// The wrong order does not compile: nobody but an Invalidator makes a Flushed, and a frame cannot be copied.
static_assert(!std::is_constructible_v<Flushed, std::vector<Frame>, bool>);
static_assert(!std::is_default_constructible_v<Flushed>);
static_assert(!std::is_copy_constructible_v<Flushed> && !std::is_copy_constructible_v<Frame> &&
              !std::is_copy_constructible_v<Gather>);

class Recording final : public Invalidator {
public:
    bool confirms = true;
    std::vector<IovaRange> ranges;
    bool leaf_only = false, everything = false;
    int calls = 0;

private:
    Result<void> invalidate(const Gather& gathered) override {
        ++calls;
        ranges.assign(gathered.ranges().begin(), gathered.ranges().end());
        leaf_only = gathered.leaf_only();
        everything = gathered.everything();
        if (confirms) return {};
        return fail(EIO, "no answer");
    }
};

class GatherTest : public testing::Test {
protected:
    void flush(Gather&& gathered) {
        auto flushed = caches.flush(std::move(gathered), *arena);
        if (flushed) arena->reclaim(std::move(*flushed));
    }
    static IovaRange pages(std::uint64_t first, std::uint64_t last) {
        return {Iova{first << 12}, Iova{(last << 12) + 0xFFF}};
    }

    OwnedTableMemory memory{64};
    std::unique_ptr<Arena> arena = *Arena::open(memory.get(), {});
    Account account;
    Recording caches;
};

TEST_F(GatherTest, NeighboursAreJoined) {
    Gather gathered;
    EXPECT_TRUE(gathered.empty());
    gathered.cover(pages(4, 4));
    gathered.cover(pages(6, 7));
    gathered.cover(pages(0, 1));
    EXPECT_EQ(gathered.ranges().size(), 3u);
    gathered.cover(pages(5, 5));
    EXPECT_EQ(listed(gathered), (std::vector{pages(0, 1), pages(4, 7)}));
    gathered.cover(pages(1, 9));
    EXPECT_EQ(listed(gathered), (std::vector{pages(0, 9)}));
    EXPECT_TRUE(gathered.leaf_only());
    flush(std::move(gathered));
    EXPECT_TRUE(caches.leaf_only);
}

TEST_F(GatherTest, TheTopOfTheSpace) {
    constexpr std::uint64_t top = ~std::uint64_t{0};
    Gather gathered;
    gathered.cover({Iova{top - 4095}, Iova{top}});
    gathered.cover({Iova{top - 8191}, Iova{top - 4096}});
    gathered.cover({Iova{0}, Iova{4095}});
    EXPECT_EQ(gathered.ranges().size(), 2u);
    gathered.cover({Iova{0}, Iova{top}});
    EXPECT_EQ(gathered.ranges().size(), 1u);
    flush(std::move(gathered));
}

TEST_F(GatherTest, TooManyBecomeAHullOfTheNearest) {
    Gather gathered;
    for (std::uint64_t i = 0; i < Gather::max_ranges; ++i) gathered.cover(pages(i * i * 10, i * i * 10));
    EXPECT_EQ(gathered.ranges().size(), Gather::max_ranges);
    gathered.cover(pages(100'000, 100'000));
    EXPECT_EQ(gathered.ranges().size(), Gather::max_ranges);
    EXPECT_EQ(gathered.ranges().front(), pages(0, 10)) << "the smallest gap is closed";
    EXPECT_EQ(gathered.ranges().back(), pages(100'000, 100'000));
    flush(std::move(gathered));
}

TEST_F(GatherTest, NeverLessThanItWasTold) {
    std::mt19937 random(11);
    for (int round = 0; round < 300; ++round) {
        Gather gathered;
        std::set<std::uint64_t> told;
        for (int i = 0; i < 40; ++i) {
            const std::uint64_t first = random() % 1000, last = first + random() % 4;
            gathered.cover(pages(first, last));
            for (std::uint64_t page = first; page <= last; ++page) told.insert(page);
        }
        const auto ranges = gathered.ranges();
        ASSERT_LE(ranges.size(), Gather::max_ranges);
        for (std::size_t i = 1; i < ranges.size(); ++i) ASSERT_LT(ranges[i - 1].last, ranges[i].first);
        for (const std::uint64_t page : told)
            ASSERT_TRUE(std::any_of(ranges.begin(), ranges.end(),
                                    [&](const IovaRange& r) { return r.contains(pages(page, page)); }));
        flush(std::move(gathered));
    }
}

TEST_F(GatherTest, RetiredFramesGoBackAfterTheFlushOnly) {
    Gather gathered;
    gathered.retire(*arena->take(account));
    gathered.cover(pages(1, 1));
    EXPECT_FALSE(gathered.leaf_only()) << "walk caches must forget too";
    EXPECT_EQ(gathered.retired(), 1u);
    Gather moved = std::move(gathered);
    EXPECT_TRUE(gathered.empty());
    EXPECT_EQ(arena->count().used, 1u);
    flush(std::move(moved));
    EXPECT_EQ(arena->count().used, 0u);
    EXPECT_EQ(caches.ranges, (std::vector{pages(1, 1)}));
}

TEST_F(GatherTest, AFailedFlushQuarantines) {
    caches.confirms = false;
    Gather gathered;
    gathered.retire(*arena->take(account));
    gathered.cover(pages(1, 1));
    auto flushed = caches.flush(std::move(gathered), *arena);
    ASSERT_FALSE(flushed.has_value());
    EXPECT_EQ(flushed.error().code, EIO);
    EXPECT_EQ(arena->count().quarantined, 1u);
    EXPECT_EQ(account.held, 0u);
}

TEST_F(GatherTest, EverythingIsNotLeafOnly) {
    Gather gathered;
    gathered.cover_everything();
    EXPECT_FALSE(gathered.empty());
    EXPECT_FALSE(gathered.leaf_only());
    flush(std::move(gathered));
    EXPECT_TRUE(caches.everything);
}

TEST_F(GatherTest, DroppedProofsAndFramesAreInternalErrors) {
    EXPECT_DEATH(
        {
            Gather gathered;
            gathered.cover(pages(1, 1));
        },
        "internal error");
    EXPECT_DEATH({ Frame frame = *arena->take(account); }, "internal error");
    EXPECT_DEATH(
        {
            Gather gathered;
            gathered.retire(*arena->take(account));
            auto dropped = caches.flush(std::move(gathered), *arena);
        },
        "internal error");
}

TEST(Coherency, PublishChangesNothing) {
    alignas(64) std::array<std::uint64_t, 64> words{};
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = i;
    for (const Coherency coherency : {Coherency::snooped, Coherency::not_snooped}) {
        publish(coherency, words.data() + 3, 17 * sizeof(words[0]));
        publish(coherency, words.data(), 0);
    }
    for (std::size_t i = 0; i < words.size(); ++i) EXPECT_EQ(words[i], i);
}

}  // namespace
}  // namespace smmu::memory

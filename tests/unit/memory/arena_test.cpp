// SPDX-License-Identifier: Apache-2.0
// Arena: frames in and out, what a successor finds after a crash at any point, and headers that lie.
#include "memory/arena.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <random>
#include <set>

#include "memory/gather.hpp"
#include "tests/unit/memory/owned_table_memory.hpp"

namespace smmu::memory {
namespace {

constexpr BootIdentity this_boot{1, 2, 3, 4};
constexpr BootIdentity other_boot{1, 2, 3, 5};

class Confirming final : public Invalidator {
    Result<void> invalidate(const Gather&) override { return {}; }
};

Flushed everything_flushed(Arena& arena) {
    Gather gathered;
    gathered.cover_everything();
    return *Confirming().flush(std::move(gathered), arena);
}

void reclaim(Arena& arena, Frame frame) {
    Gather gathered;
    gathered.retire(std::move(frame));
    arena.reclaim(*Confirming().flush(std::move(gathered), arena));
}

bool all_zero(const Frame& frame) {
    return std::all_of(frame.words(), frame.words() + frame.word_count(), [](std::uint64_t w) { return w == 0; });
}

// The frame stays in use in the memory while this instance forgets it, as a crash makes it.
PhysAddr crash_with(Arena& arena, Frame frame) { return arena.keep(std::move(frame)); }

class ArenaTest : public testing::Test {
protected:
    std::unique_ptr<Arena> open(BootIdentity boot = this_boot) { return *Arena::open(memory.get(), boot); }

    OwnedTableMemory memory{128};
    Account account;
};

TEST_F(ArenaTest, RefusesMemoryItCannotUse) {
    TableMemory small = OwnedTableMemory(63).get();
    EXPECT_EQ(Arena::open(small, this_boot).error().code, EINVAL);
    TableMemory shifted = memory.get();
    shifted.range = {shifted.range.first + 8, shifted.range.last + 8};
    EXPECT_EQ(Arena::open(shifted, this_boot).error().code, EINVAL);
    TableMemory shorter = memory.get();
    shorter.bytes = shorter.bytes.first(shorter.bytes.size() - 4096);
    EXPECT_EQ(Arena::open(shorter, this_boot).error().code, EINVAL);
    TableMemory odd = memory.get();
    odd.bytes = odd.bytes.first(odd.bytes.size() - 1);
    odd.range.last = odd.range.last - 1;
    EXPECT_EQ(Arena::open(odd, this_boot).error().code, EINVAL);
    EXPECT_EQ(Arena::open({}, this_boot).error().code, EINVAL);
}

TEST_F(ArenaTest, FramesAreZeroDistinctAndCounted) {
    auto arena = open();
    EXPECT_FALSE(arena->continued());
    const auto before = arena->count();
    EXPECT_EQ(before.total, 127u);  // one frame is the header
    EXPECT_EQ(before.free, before.total);
    std::set<PhysAddr> seen;
    auto frames = *arena->take_many(account, before.free);
    for (const Frame& frame : frames) {
        EXPECT_TRUE(seen.insert(frame.address()).second);
        EXPECT_TRUE(arena->range().contains(frame.address()));
        EXPECT_TRUE(all_zero(frame));
        EXPECT_EQ(arena->words_at(frame.address()), frame.words());
        frame.words()[7] = ~std::uint64_t{0};
    }
    EXPECT_EQ(account.held, before.total);
    EXPECT_EQ(arena->take(account).error().code, ENOMEM);
    EXPECT_EQ(arena->take(account, 1).error().code, ENOMEM);
    EXPECT_EQ(arena->available(account), 0u);
    for (Frame& frame : frames) arena->discard(std::move(frame));
    EXPECT_EQ(account.held, 0u);
    EXPECT_EQ(arena->count().free, before.total);
    Frame again = *arena->take(account);
    EXPECT_TRUE(all_zero(again)) << "zeroed each time it is taken";
    arena->discard(std::move(again));
}

TEST_F(ArenaTest, AccountsLimit) {
    auto arena = open();
    account.limit = 3;
    EXPECT_EQ(arena->available(account), 3u);
    EXPECT_EQ(arena->take_many(account, 4).error().code, EDQUOT);
    EXPECT_EQ(arena->take(account, 2).error().code, EDQUOT);
    EXPECT_EQ(account.held, 0u) << "all or nothing";
    Frame pair = *arena->take(account, 1);
    Frame one = *arena->take(account);
    EXPECT_EQ(arena->take(account).error().code, EDQUOT);
    account.limit = 1;  // lowered below what is held
    EXPECT_EQ(arena->available(account), 0u);
    EXPECT_EQ(arena->take(account).error().code, EDQUOT);
    arena->discard(std::move(pair));
    arena->discard(std::move(one));
    EXPECT_EQ(account.held, 0u);
}

TEST_F(ArenaTest, RunsAreAlignedToTheirSize) {
    // A base that is no multiple of the run: alignment is of the physical address.
    const OwnedTableMemory odd_memory(200, {0x1'0000'3000});
    auto arena = *Arena::open(odd_memory.get(), this_boot);
    std::vector<Frame> runs;
    for (unsigned order : {4u, 3u, 5u, 1u, 2u}) {
        runs.push_back(*arena->take(account, order));
        EXPECT_TRUE(is_aligned(runs.back().address(), frame_log2 + order));
        EXPECT_EQ(runs.back().word_count(), std::size_t{512} << order);
        EXPECT_TRUE(all_zero(runs.back()));
        std::fill_n(runs.back().words(), runs.back().word_count(), runs.size());
    }
    for (std::size_t i = 0; i < runs.size(); ++i)
        EXPECT_TRUE(std::all_of(runs[i].words(), runs[i].words() + runs[i].word_count(),
                                [&](std::uint64_t word) { return word == i + 1; }));
    EXPECT_EQ(arena->take(account, 7).error().code, ENOMEM);
    EXPECT_EQ(arena->take(account, 40).error().code, EINVAL);
    for (Frame& frame : runs) reclaim(*arena, std::move(frame));
    EXPECT_EQ(arena->count().free, arena->count().total);
}

TEST_F(ArenaTest, WordsOnlyOfFramesInUse) {
    auto arena = open();
    Frame frame = *arena->take(account);
    const PhysAddr address = frame.address();
    EXPECT_NE(arena->words_at(address), nullptr);
    EXPECT_EQ(arena->words_at(address + 8), nullptr);
    EXPECT_EQ(arena->words_at(arena->range().first), nullptr) << "the header is no frame";
    EXPECT_EQ(arena->words_at(arena->range().last + 1), nullptr);
    EXPECT_EQ(arena->words_at(arena->range().first - 4096), nullptr);
    EXPECT_EQ(arena->words_at(PhysAddr{~std::uint64_t{0} & ~std::uint64_t{4095}}), nullptr);
    arena->discard(std::move(frame));
    EXPECT_EQ(arena->words_at(address), nullptr);
}

TEST_F(ArenaTest, KeptFramesComeBackOnce) {
    auto arena = open();
    Frame frame = *arena->take(account, 1);
    const PhysAddr address = arena->keep(std::move(frame));
    EXPECT_TRUE(arena->is_kept(address));
    const void* const words = arena->words_at(address);
    arena->tally(words) = {.live = 12, .links = 3};
    EXPECT_EQ(arena->tally(words), (Arena::Tally{12, 3}));
    Frame back = arena->take_back(address, 2, account);
    EXPECT_EQ(back.count(), 2u);
    EXPECT_FALSE(arena->is_kept(address));
    EXPECT_DEATH((void)arena->take_back(address, 2, account), "internal error");
    EXPECT_DEATH((void)arena->tally(words), "internal error");
    arena->discard(std::move(back));
    EXPECT_EQ(account.held, 0u);
}

TEST_F(ArenaTest, QuarantineIsForGood) {
    auto arena = open();
    Frame frame = *arena->take(account, 2);
    const PhysAddr address = frame.address();
    arena->quarantine(std::move(frame));
    EXPECT_EQ(arena->count().quarantined, 4u);
    EXPECT_EQ(account.held, 0u);
    auto rest = *arena->take_many(account, arena->count().free);
    for (Frame& each : rest) {
        EXPECT_FALSE(address <= each.address() && each.address() < address + 4 * frame_bytes);
        arena->discard(std::move(each));
    }
    arena->retire_earlier_generations(everything_flushed(*arena));
    EXPECT_EQ(arena->count().quarantined, 4u);
    EXPECT_EQ(arena->adopt(address, account, 2).error().code, ENOENT);
    // The successor, which can flush everything, gets it back.
    auto successor = open();
    EXPECT_EQ(successor->count().earlier, 4u);
    successor->retire_earlier_generations(everything_flushed(*successor));
    EXPECT_EQ(successor->count().free, successor->count().total);
}

TEST_F(ArenaTest, SuccessorAdoptsAndRetires) {
    PhysAddr adopted, left, run;
    {
        auto arena = open();
        Frame one = *arena->take(account), two = *arena->take(account), many = *arena->take(account, 3);
        one.words()[5] = 0xDEAD;
        adopted = crash_with(*arena, std::move(one));
        left = crash_with(*arena, std::move(two));
        run = crash_with(*arena, std::move(many));
    }
    Account next;
    auto arena = open();
    EXPECT_TRUE(arena->continued());
    EXPECT_EQ(arena->generation(), 2u);
    EXPECT_EQ(arena->count().earlier, 10u);
    EXPECT_EQ(arena->count().used, 0u);
    EXPECT_NE(arena->words_at(left), nullptr) << "what hardware walks can be read";
    EXPECT_EQ(arena->adopt(adopted + 8, next).error().code, ENOENT);
    EXPECT_EQ(arena->adopt(arena->range().first, next).error().code, ENOENT);
    EXPECT_EQ(arena->adopt(arena->range().last + 1, next).error().code, ENOENT);
    EXPECT_EQ(arena->adopt(run, next, 4).error().code, ENOENT);
    EXPECT_EQ(arena->adopt(run, next, 63).error().code, ENOENT);
    EXPECT_EQ(arena->adopt(left + 4096 * 20, next).error().code, ENOENT) << "a free frame";
    next.limit = 0;
    EXPECT_EQ(arena->adopt(adopted, next).error().code, EDQUOT);
    next.limit = 100;
    Frame frame = *arena->adopt(adopted, next);
    EXPECT_EQ(frame.words()[5], 0xDEADu) << "with its contents";
    EXPECT_EQ(arena->adopt(adopted, next).error().code, ENOENT) << "once";
    Frame whole = *arena->adopt(run, next, 3);
    EXPECT_EQ(next.held, 9u);
    // Nothing of an earlier generation is given out before the flush.
    auto rest = *arena->take_many(next, 5);
    for (Frame& each : rest) {
        EXPECT_NE(each.address(), left);
        arena->discard(std::move(each));
    }
    arena->retire_earlier_generations(everything_flushed(*arena));
    EXPECT_EQ(arena->count().earlier, 0u);
    EXPECT_EQ(arena->count().used, 9u);
    EXPECT_EQ(arena->words_at(left), nullptr);
    // A third instance finds what the second adopted.
    auto third = open();
    EXPECT_EQ(third->generation(), 3u);
    EXPECT_EQ(third->count().earlier, 9u);
    reclaim(*arena, std::move(frame));
    reclaim(*arena, std::move(whole));
}

TEST_F(ArenaTest, RetireNeedsTheFlushOfEverything) {
    auto arena = open();
    Gather little;
    little.cover({Iova{0}, Iova{4095}});
    Flushed proof = *Confirming().flush(std::move(little), *arena);
    EXPECT_DEATH(arena->retire_earlier_generations(std::move(proof)), "internal error");
    arena->reclaim(std::move(proof));
}

TEST_F(ArenaTest, ForeignHeadersStartAnew) {
    {
        auto arena = open();
        (void)crash_with(*arena, *arena->take(account));
    }
    {
        auto arena = open(other_boot);
        EXPECT_EQ(arena->generation(), 1u) << "hardware has forgotten since";
        EXPECT_EQ(arena->count().free, arena->count().total);
        (void)crash_with(*arena, *arena->take(account));
    }
}

// Hardware may be walking what an instance of this boot left: with another size, place or version nothing of it can be told
// from free memory, so nothing is touched.
TEST_F(ArenaTest, AnotherShapeOfTheSameBootIsLeftAlone) {
    {
        auto arena = open();
        (void)crash_with(*arena, *arena->take(account));
    }
    const std::vector<std::uint64_t> before(memory.words(), memory.words() + 128 * 512);
    TableMemory moved = memory.get();
    moved.range = *PhysRange::from_length(moved.range.first + (1u << 20), moved.bytes.size());
    TableMemory part = memory.get();
    part.bytes = part.bytes.first(100 * 4096);
    part.range = *PhysRange::from_length(part.range.first, part.bytes.size());
    for (const TableMemory& shape : {moved, part}) {
        const auto refused = Arena::open(shape, this_boot);
        ASSERT_FALSE(refused.has_value());
        EXPECT_EQ(refused.error().code, EEXIST);
        EXPECT_FALSE(Arena::would_continue(shape, this_boot).has_value());
    }
    EXPECT_TRUE(std::equal(before.begin(), before.end(), memory.words()));
    EXPECT_TRUE(*Arena::would_continue(memory.get(), this_boot));
    EXPECT_FALSE(*Arena::would_continue(memory.get(), other_boot));
}

// Whatever single word of header or records is overwritten: opening is refused, or goes well: no frame of this instance's
// is handed out twice, and a continued arena holds back every frame that was on record.
TEST_F(ArenaTest, AnyCorruptedWordIsSurvived) {
    std::vector<PhysAddr> in_use;
    {
        auto arena = open();
        for (int i = 0; i < 10; ++i) in_use.push_back(crash_with(*arena, *arena->take(account)));
    }
    const std::vector<std::uint64_t> sound(memory.words(), memory.words() + 512);
    std::mt19937_64 random(7);
    for (std::size_t word = 0; word < 80; ++word) {
        for (const std::uint64_t value : {std::uint64_t{0}, ~std::uint64_t{0}, sound[word] ^ 1,
                                          sound[word] ^ (std::uint64_t{1} << 40), std::uint64_t{random()}}) {
            std::copy(sound.begin(), sound.end(), memory.words());
            memory.words()[word] = value;
            auto opened = Arena::open(memory.get(), this_boot);
            if (!opened) {
                ASSERT_EQ(opened.error().code, EEXIST);
                continue;
            }
            const auto arena = *std::move(opened);
            const auto count = arena->count();
            ASSERT_EQ(count.free + count.earlier, count.total);
            Account mine;
            auto frames = *arena->take_many(mine, count.free);
            const bool records_intact = word < 8 || value != 0;
            for (Frame& frame : frames) {
                if (arena->continued() && records_intact) {
                    // A word of the record that lost bits is indistinguishable from one of free frames.
                    const std::size_t index = (frame.address() - arena->range().first) >> frame_log2;
                    if (8 + index / 64 != word) {
                        ASSERT_EQ(std::count(in_use.begin(), in_use.end(), frame.address()), 0);
                    }
                }
                arena->discard(std::move(frame));
            }
        }
    }
}

TEST_F(ArenaTest, WhatIsOnRecordIsInUseWhoeverWroteIt) {
    { auto arena = open(); }
    memory.words()[8] |= std::uint64_t{3} << 50;
    auto arena = open();
    ASSERT_EQ(arena->generation(), 2u);
    EXPECT_EQ(arena->count().earlier, 2u);
    auto next = open();
    EXPECT_EQ(next->count().earlier, 2u);
}

// As few runs as there are, ascending from the back; between frames that others hold, aligned for larger tables.
TEST_F(ArenaTest, UnwrittenFramesComeInRuns) {
    auto arena = open();
    std::vector<Frame> held = *arena->take_many(account, 20), runs;
    for (const std::size_t hole : {3u, 4u, 5u, 9u}) arena->discard(std::move(held[hole]));
    ASSERT_TRUE(arena->take_unwritten(account, 10, 0, runs));
    ASSERT_EQ(runs.size(), 3u);
    EXPECT_EQ(runs[2].count(), 3u);
    EXPECT_EQ(runs[1].count(), 1u);
    EXPECT_EQ(runs[0].count(), 6u);
    EXPECT_LT(runs[2].address(), runs[1].address());
    EXPECT_LT(runs[1].address(), runs[0].address());
    Frame front = runs[0].take_front(2);
    EXPECT_EQ(front.count(), 2u);
    EXPECT_EQ(front.address() + 2 * frame_bytes, runs[0].address());
    EXPECT_FALSE(runs[1].join(front)) << "others lie between";
    EXPECT_TRUE(front.join(runs[0]));
    EXPECT_FALSE(runs[0]);
    EXPECT_EQ(front.count(), 6u);
    for (std::vector<Frame>* list : {&held, &runs})
        for (Frame& frame : *list) arena->discard(std::move(frame));
    arena->discard(std::move(front));
    EXPECT_EQ(account.held, 0u);
    EXPECT_EQ(arena->count().free, arena->count().total);
}

TEST_F(ArenaTest, UnwrittenRunsAreAlignedOrNotGiven) {
    const OwnedTableMemory odd_memory(200, {0x1'0000'3000});
    auto arena = *Arena::open(odd_memory.get(), this_boot);
    std::vector<Frame> runs;
    const std::uint64_t most = arena->available(account, 4);
    EXPECT_EQ(arena->take_unwritten(account, most + 1, 4, runs).error().code, ENOMEM);
    EXPECT_TRUE(runs.empty());
    EXPECT_EQ(account.held, 0u) << "all or nothing";
    ASSERT_TRUE(arena->take_unwritten(account, most, 4, runs));
    EXPECT_EQ(arena->available(account, 4), 0u);
    for (Frame& run : runs) {
        EXPECT_TRUE(is_aligned(run.address(), frame_log2 + 4));
        EXPECT_EQ(run.count() % 16, 0u);
        arena->discard(std::move(run));
    }
    account.limit = 15;
    runs.clear();
    EXPECT_EQ(arena->take_unwritten(account, 1, 4, runs).error().code, EDQUOT);
}

TEST_F(ArenaTest, LastGenerationHasNoSuccessor) {
    { auto arena = open(); }
    const std::uint32_t last = 0xFFFF'FFFE;
    memory.words()[6] = last | std::uint64_t{~last} << 32;
    EXPECT_EQ(Arena::open(memory.get(), this_boot).error().code, EEXIST);
}

TEST_F(ArenaTest, AccountsWithinAnotherLeaveTheRest) {
    auto arena = open();
    Account all{.limit = 100};
    Account one{.limit = 80, .within = &all};
    Account two{.limit = 80, .within = &all};
    auto first = *arena->take_many(one, 80);
    EXPECT_EQ(arena->take_many(two, 21).error().code, EDQUOT);
    EXPECT_EQ(all.held, 80u);
    EXPECT_EQ(arena->available(two), 20u);
    for (Frame& frame : first) arena->discard(std::move(frame));
    EXPECT_EQ(all.held, 0u);
}

// A successor opening after any store of a run of takes and returns sees every frame that may be linked.
TEST_F(ArenaTest, RecordComesBeforeTheFrame) {
    auto arena = open();
    std::vector<PhysAddr> linked;
    for (int i = 0; i < 20; ++i) {
        linked.push_back(crash_with(*arena, *arena->take(account)));
        const std::vector<std::uint64_t> image(memory.words(), memory.words() + 512);
        auto successor = open();
        for (const PhysAddr address : linked) {
            auto adopted = successor->adopt(address, account);
            ASSERT_TRUE(adopted.has_value());
            (void)successor->keep(std::move(*adopted));
        }
        std::copy(image.begin(), image.end(), memory.words());
    }
}

}  // namespace
}  // namespace smmu::memory

// SPDX-License-Identifier: Apache-2.0
// Rows: whatever instructions this processor has, at every alignment and length, next to plain loops; and nothing beside
// the row is touched.
#include "memory/rows.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <random>
#include <vector>

#include "memory/coherency.hpp"
#include "memory/row_instructions.hpp"

namespace smmu::memory::rows {
namespace {

constexpr std::size_t room = 96;
constexpr std::uint64_t untouched = 0x5A5A'5A5A'5A5A'5A5A;

// Every row of up to 40 words that begins in one of the first lines of some memory.
template <class Check>
void for_each_row(Check check) {
    alignas(64) static std::array<std::uint64_t, room> memory;
    for (std::size_t first = 8; first < 24; ++first)
        for (std::size_t count = 0; count <= 40; ++count) {
            memory.fill(untouched);
            check(memory, first, count);
            if (testing::Test::HasFatalFailure()) return;
        }
}

std::array<std::uint64_t, room> with_sequence(std::size_t at, std::size_t count, std::uint64_t first, std::uint64_t step) {
    std::array<std::uint64_t, room> expected;
    expected.fill(untouched);
    for (std::size_t i = 0; i < count; ++i) expected[at + i] = first + i * step;
    return expected;
}

TEST(Rows, FillAndStoreASequence) {
    for_each_row([](auto& memory, std::size_t at, std::size_t count) {
        const auto expected = with_sequence(at, count, 0x1003, 0x1000);
        fill(&memory[at], count, 0x1003, 0x1000, Way::cached);
        ASSERT_EQ(memory, expected) << at << " " << count;
        memory.fill(untouched);
        store(&memory[at], count, 0x1003, 0x1000);
        ASSERT_EQ(memory, expected) << at << " " << count;
        if (!can_stream()) return;
        memory.fill(untouched);
        fill(&memory[at], count, 0x1003, 0x1000, Way::streamed);
        fence_cleaned();
        ASSERT_EQ(memory, expected) << at << " " << count;
    });
}

TEST(Rows, StoreAList) {
    std::mt19937_64 random(1);
    std::vector<std::uint64_t> terms(room);
    std::generate(terms.begin(), terms.end(), std::ref(random));
    for_each_row([&](auto& memory, std::size_t at, std::size_t count) {
        auto expected = with_sequence(at, 0, 0, 0);
        for (std::size_t i = 0; i < count; ++i) expected[at + i] = 7 + terms[at / 3 + i];
        store_from(&memory[at], &terms[at / 3], count, 7);
        ASSERT_EQ(memory, expected) << at << " " << count;
    });
}

TEST(Rows, LookForWhatIsLive) {
    for_each_row([](auto& memory, std::size_t at, std::size_t count) {
        ASSERT_TRUE(all_live(&memory[at], count));
        for (std::size_t i = 0; i < count; ++i) {
            memory[at + i] = 0;
            ASSERT_FALSE(all_live(&memory[at], count)) << at << " " << count << " " << i;
            memory[at + i] = untouched;
        }
        std::fill_n(&memory[at], count, 0);
        ASSERT_FALSE(any_live(&memory[at], count)) << "what lies beside does not count";
        for (std::size_t i = 0; i < count; ++i) {
            memory[at + i] = std::uint64_t{1} << (7 * i % 64);
            ASSERT_TRUE(any_live(&memory[at], count)) << at << " " << count << " " << i;
            memory[at + i] = 0;
        }
    });
}

// The sets that a better processor hides.
TEST(Rows, EverySetOfInstructions) {
    for (const RowInstructions* set : row_instructions()) {
        SCOPED_TRACE(set->name);
        for_each_row([&](auto& memory, std::size_t at, std::size_t count) {
            const auto expected = with_sequence(at, count, 0x1003, 0x1000);
            set->store(&memory[at], count, 0x1003, 0x1000);
            ASSERT_EQ(memory, expected) << at << " " << count;
            ASSERT_TRUE(set->is_sequence(&memory[at], count, 0x1003, 0x1000));
            ASSERT_TRUE(set->all_live(&memory[at], count));
            std::uint64_t all = 0;
            for (std::size_t i = 0; i < count; ++i) all |= memory[at + i];
            ASSERT_EQ(set->united(&memory[at], count), all);
            if (count > 0) {
                memory[at + count / 2] = 0;
                ASSERT_FALSE(set->all_live(&memory[at], count)) << at << " " << count;
                ASSERT_FALSE(set->is_sequence(&memory[at], count, 0x1003, 0x1000));
            }
        });
        alignas(64) std::array<std::uint64_t, room> lines{};
        set->fill(lines.data(), room, 9, 0x2000);
        EXPECT_EQ(lines[room - 1], 9 + (room - 1) * 0x2000);
    }
}

TEST(Rows, OneWordAmissIsSeen) {
    for_each_row([](auto& memory, std::size_t at, std::size_t count) {
        fill(&memory[at], count, 5, 0x1000, Way::cached);
        ASSERT_TRUE(is_sequence(&memory[at], count, 5, 0x1000));
        std::uint64_t all = 0;
        for (std::size_t i = 0; i < count; ++i) all |= memory[at + i];
        ASSERT_EQ(united(&memory[at], count), all);
        for (std::size_t i = 0; i < count; ++i) {
            memory[at + i] ^= std::uint64_t{1} << 63;
            ASSERT_FALSE(is_sequence(&memory[at], count, 5, 0x1000)) << at << " " << count << " " << i;
            ASSERT_EQ(united(&memory[at], count), all | std::uint64_t{1} << 63);
            memory[at + i] ^= std::uint64_t{1} << 63;
        }
    });
}

TEST(Rows, EntriesOf32Bits) {
    std::array<std::uint32_t, 16> entries{};
    fill(&entries[3], 5, 9u, 4u, Way::cached);
    EXPECT_TRUE(all_live(&entries[3], 5));
    EXPECT_FALSE(all_live(&entries[3], 6));
    EXPECT_TRUE(is_sequence(&entries[3], 5, 9u, 4u));
    EXPECT_FALSE(is_sequence(&entries[3], 6, 9u, 4u));
    store(&entries[3], 2, 0u, 0u);
    EXPECT_FALSE(any_live(&entries[3], 2));
    EXPECT_TRUE(any_live(&entries[3], 3));
}

}  // namespace
}  // namespace smmu::memory::rows

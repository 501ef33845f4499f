// SPDX-License-Identifier: Apache-2.0
// IntervalMap with so many pieces that its tree has several levels, against an array with one cell per address: runs up
// and down, random changes, and removals until nothing is left, in every order.
#include <gtest/gtest.h>

#include <cstdlib>
#include <numeric>
#include <random>
#include <vector>

#include "base/interval_map.hpp"

namespace smmu {
namespace {

constexpr std::uint64_t base = 0x10000;
constexpr std::size_t cells = 12000;  // of one piece each: leaves, and two levels above them

struct Moving {
    std::uint64_t target;
    Moving advanced(std::uint64_t bytes) const { return {target + bytes}; }
    friend bool operator==(const Moving&, const Moving&) = default;
};

IovaRange range(std::size_t first, std::size_t last) { return {Iova{base + first}, Iova{base + last}}; }

// A target from which no neighbour goes on.
std::uint64_t alone(std::size_t cell) { return 1'000'000'000 - 3 * cell; }

class Pair {
public:
    void assign(std::size_t first, std::size_t last, std::uint64_t target) {
        map.assign(range(first, last), {target});
        for (std::size_t i = first; i <= last; ++i) cell_[i] = target + (i - first);
    }
    void erase(std::size_t first, std::size_t last) {
        map.erase(range(first, last));
        std::fill(cell_.begin() + std::ptrdiff_t(first), cell_.begin() + std::ptrdiff_t(last) + 1, 0);
    }
    bool holds(std::size_t cell) const { return cell_[cell] != 0; }

    void check_cell(std::size_t cell) const {
        const auto found = map.at(Iova{base + cell});
        ASSERT_EQ(found ? found->target : 0, cell_[cell]) << "cell " << cell;
    }
    // Every piece, from both ends of what the map says of itself.
    void check_all() const {
        std::vector<std::uint64_t> seen(cells, 0);
        std::size_t pieces = 0;
        for (const auto& piece : map) {
            ++pieces;
            for (std::uint64_t a = piece.range.first.value; a <= piece.range.last.value; ++a)
                seen[a - base] = piece.value.target + (a - piece.range.first.value);
        }
        ASSERT_EQ(seen, cell_);
        ASSERT_EQ(pieces, map.size());
        std::size_t expected = 0;
        for (std::size_t i = 0; i < cells; ++i)
            expected += cell_[i] != 0 && (i == 0 || cell_[i - 1] == 0 || cell_[i] != cell_[i - 1] + 1) ? 1u : 0u;
        ASSERT_EQ(pieces, expected) << "neighbours that say the same are one piece";
        for (std::size_t i = 0; i < cells; ++i) check_cell(i);
    }

    IntervalMap<Iova, Moving> map;

private:
    std::vector<std::uint64_t> cell_ = std::vector<std::uint64_t>(cells, 0);
};

class ManyPieces : public ::testing::Test {
protected:
    static unsigned seed() {
        const char* given = std::getenv("SMMU_TEST_SEED");
        return given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 0)) : 1u;
    }
    // All cells, one piece each, in some order.
    void fill(const std::vector<std::size_t>& order) {
        for (const std::size_t cell : order) {
            pair.assign(cell, cell, alone(cell));
            if (cell % 97 == 0) pair.check_cell(order[cell % order.size()]);
        }
        pair.check_all();
    }
    void empty(const std::vector<std::size_t>& order) {
        std::size_t left = order.size();
        for (const std::size_t cell : order) {
            pair.erase(cell, cell);
            pair.check_cell(cell);
            if (--left % 2000 == 0) pair.check_all();
        }
        EXPECT_TRUE(pair.map.empty());
    }
    std::vector<std::size_t> ascending() const {
        std::vector<std::size_t> order(cells);
        std::iota(order.begin(), order.end(), std::size_t{0});
        return order;
    }
    std::vector<std::size_t> descending() const {
        const auto up = ascending();
        return {up.rbegin(), up.rend()};
    }
    std::vector<std::size_t> shuffled() {
        auto order = ascending();
        std::shuffle(order.begin(), order.end(), random);
        return order;
    }

    std::mt19937 random{seed()};
    Pair pair;
};

TEST_F(ManyPieces, InEveryOrderInAndOut) {
    for (const auto& in : {ascending(), descending(), shuffled()})
        for (const auto& out : {ascending(), descending(), shuffled()}) {
            fill(in);
            empty(out);
            if (HasFatalFailure()) return;
        }
}

TEST_F(ManyPieces, ChangesOfEverySize) {
    SCOPED_TRACE("SMMU_TEST_SEED=" + std::to_string(seed()));
    fill(shuffled());
    for (int step = 0; step < 30000 && !HasFatalFailure(); ++step) {
        // Mostly a few cells; now and then so many that whole leaves go. More goes than comes in every other phase.
        const std::size_t first = random() % cells;
        const std::size_t length = random() % 50 == 0 ? random() % 600 : random() % 4;
        const std::size_t last = std::min(cells - 1, first + length);
        const bool shrinking = step / 5000 % 2 == 1;
        if (random() % 4 < (shrinking ? 3u : 1u))
            pair.erase(first, last);
        else
            pair.assign(first, last, random() % 3 == 0 ? 5'000'000 + first : alone(first));
        pair.check_cell(first);
        pair.check_cell(last);
        pair.check_cell(random() % cells);
        if (step % 1000 == 0) pair.check_all();
    }
    pair.check_all();
}

TEST_F(ManyPieces, ACopyIsEqualAndItsOwn) {
    fill(shuffled());
    IntervalMap<Iova, Moving> copy = pair.map;
    EXPECT_TRUE(copy == pair.map);
    copy.erase(range(5000, 5000));
    EXPECT_FALSE(copy == pair.map);
    pair.check_all();
    const IntervalMap<Iova, Moving> moved = std::move(copy);
    EXPECT_EQ(moved.size(), cells - 1);
}

TEST_F(ManyPieces, GapsAreFoundBetweenLeaves) {
    fill(ascending());
    std::vector<std::size_t> expected;
    for (std::size_t cell = 0; cell < cells; cell += 1 + random() % 90) {
        pair.erase(cell, cell);
        expected.push_back(cell);
    }
    std::vector<std::size_t> gaps;
    pair.map.for_each_gap_in(range(0, cells - 1), [&](IovaRange gap) {
        for (std::uint64_t a = gap.first.value; a <= gap.last.value; ++a) gaps.push_back(a - base);
    });
    EXPECT_EQ(gaps, expected);
}

}  // namespace
}  // namespace smmu

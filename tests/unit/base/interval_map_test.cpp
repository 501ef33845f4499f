// SPDX-License-Identifier: Apache-2.0
// IntervalMap against an array with one cell per address: every sequence of a small scope, then random ones, also at
// the top of the 64-bit space.
#include "base/interval_map.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <random>
#include <vector>

namespace smmu {
namespace {

struct Moving {
    std::uint64_t target;
    Moving advanced(std::uint64_t bytes) const { return {target + bytes}; }
    friend bool operator==(const Moving&, const Moving&) = default;
};

std::uint64_t value_at(const Moving& first, std::uint64_t distance) { return first.target + distance; }
std::uint64_t value_at(int first, std::uint64_t) { return static_cast<std::uint64_t>(first); }

// One cell per address from `base` on; 0 is nothing.
template <class V>
class Model {
public:
    Model(std::uint64_t base, std::size_t size) : base_(base), cells_(size, 0) {}

    IovaRange range(std::size_t first, std::size_t last) const {
        return {Iova{base_ + first}, Iova{base_ + last}};
    }
    void assign(std::size_t first, std::size_t last, V value) {
        map_.assign(range(first, last), value);
        for (std::size_t i = first; i <= last; ++i) cells_[i] = value_at(value, i - first);
        check();
    }
    void erase(std::size_t first, std::size_t last) {
        map_.erase(range(first, last));
        for (std::size_t i = first; i <= last; ++i) cells_[i] = 0;
        check();
    }
    const IntervalMap<Iova, V>& map() const { return map_; }

    void check() {
        std::size_t pieces = 0;
        for (std::size_t i = 0; i < cells_.size(); ++i) {
            const auto found = map_.at(Iova{base_ + i});
            ASSERT_EQ(found ? value_at(*found, 0) : 0, cells_[i]) << "cell " << i;
            const bool starts = cells_[i] != 0 && (i == 0 || cells_[i - 1] == 0 || !same_piece(i));
            pieces += starts ? 1 : 0;
        }
        ASSERT_EQ(map_.size(), pieces) << "neighbours that say the same are one piece";
        ASSERT_EQ(map_.empty(), pieces == 0);
        check_window(0, cells_.size() - 1);
        check_window(cells_.size() / 3, cells_.size() / 2);
    }

private:
    bool same_piece(std::size_t i) const {
        return cells_[i] == cells_[i - 1] + (std::is_same_v<V, Moving> ? 1 : 0);
    }
    // What for_each_in and for_each_gap_in say of a window, put together, is the window.
    void check_window(std::size_t first, std::size_t last) {
        std::vector<std::uint64_t> seen(cells_.size(), 0);
        std::size_t addresses = 0;
        map_.for_each_in(range(first, last), [&](IovaRange part, V value) {
            for (std::uint64_t a = part.first.value - base_; a <= part.last.value - base_; ++a, ++addresses)
                seen[a] = value_at(value, a - (part.first.value - base_));
        });
        map_.for_each_gap_in(range(first, last), [&](IovaRange gap) {
            for (std::uint64_t a = gap.first.value - base_; a <= gap.last.value - base_; ++a, ++addresses)
                ASSERT_EQ(cells_[a], 0u);
        });
        ASSERT_EQ(addresses, last - first + 1);
        for (std::size_t i = first; i <= last; ++i) ASSERT_EQ(seen[i], cells_[i]);
    }

    std::uint64_t base_;
    std::vector<std::uint64_t> cells_;
    IntervalMap<Iova, V> map_;
};

// Every sequence of three operations over five addresses; two of the values continue each other.
template <class V>
void every_sequence(std::uint64_t base, const std::vector<V>& values) {
    constexpr std::size_t cells = 5;
    struct Operation {
        std::size_t first, last, value;  // value 0: erase
    };
    std::vector<Operation> operations;
    for (std::size_t first = 0; first < cells; ++first)
        for (std::size_t last = first; last < cells; ++last)
            for (std::size_t value = 0; value <= values.size(); ++value) operations.push_back({first, last, value});
    const auto apply = [&](Model<V>& model, const Operation& operation) {
        if (operation.value == 0)
            model.erase(operation.first, operation.last);
        else
            model.assign(operation.first, operation.last, values[operation.value - 1]);
    };
    for (const Operation& one : operations) {
        Model<V> first(base, cells);
        apply(first, one);
        for (const Operation& two : operations) {
            Model<V> second = first;
            apply(second, two);
            for (const Operation& three : operations) {
                Model<V> third = second;
                apply(third, three);
                if (testing::Test::HasFatalFailure()) return;
            }
        }
    }
}

constexpr std::uint64_t top_of_space = ~std::uint64_t{0} - 4;

TEST(IntervalMap, EverySequenceOfThreeWithFixedValues) { every_sequence<int>(0, {1, 2}); }
TEST(IntervalMap, EverySequenceOfThreeWithMovingValues) {
    every_sequence<Moving>(0x1000, {{100}, {101}});
}
TEST(IntervalMap, EverySequenceOfThreeAtTheTopOfTheSpace) { every_sequence<Moving>(top_of_space, {{100}, {102}}); }

TEST(IntervalMap, RandomAgainstCells) {
    const char* given = std::getenv("SMMU_TEST_SEED");
    const unsigned seed = given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 0)) : 1u;
    RecordProperty("seed", static_cast<int>(seed));
    SCOPED_TRACE("SMMU_TEST_SEED=" + std::to_string(seed));
    std::mt19937 random(seed);
    for (const std::uint64_t base : {std::uint64_t{0}, ~std::uint64_t{0} - 63}) {
        Model<Moving> model(base, 64);
        for (int step = 0; step < 4000 && !HasFatalFailure(); ++step) {
            std::size_t a = random() % 64, b = random() % 64;
            if (a > b) std::swap(a, b);
            // Targets that follow the address are likely: merging is what is tested.
            if (random() % 3 == 0)
                model.erase(a, b);
            else
                model.assign(a, b, {1000 + a + (random() % 2) * 7});
        }
    }
}

TEST(IntervalMap, TheWholeSpaceIsOnePiece) {
    IntervalMap<Iova, Moving> map;
    const IovaRange all{Iova{0}, Iova{~std::uint64_t{0}}};
    map.assign(all, {0});
    map.assign({Iova{10}, Iova{20}}, {10});
    EXPECT_EQ(map.size(), 1u);
    map.erase({Iova{~std::uint64_t{0}}, Iova{~std::uint64_t{0}}});
    EXPECT_EQ(map.begin()->range, (IovaRange{Iova{0}, Iova{~std::uint64_t{0} - 1}}));
    int gaps = 0;
    map.for_each_gap_in(all, [&](IovaRange gap) {
        ++gaps;
        EXPECT_EQ(gap.first.value, ~std::uint64_t{0});
    });
    EXPECT_EQ(gaps, 1);
    map.erase(all);
    EXPECT_TRUE(map.empty());
}

TEST(IntervalMap, EqualWhateverTheWayThere) {
    IntervalMap<Iova, int> a, b;
    a.assign({Iova{0}, Iova{9}}, 1);
    b.assign({Iova{5}, Iova{9}}, 1);
    EXPECT_FALSE(a == b);
    b.assign({Iova{0}, Iova{4}}, 1);
    EXPECT_TRUE(a == b);
    b.clear();
    EXPECT_TRUE(b.empty());
    EXPECT_EQ(b.find(Iova{3}), std::nullopt);
}

}  // namespace
}  // namespace smmu

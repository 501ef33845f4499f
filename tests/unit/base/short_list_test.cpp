// SPDX-License-Identifier: Apache-2.0
#include "base/short_list.hpp"

#include <gmock/gmock.h>

#include <numeric>

namespace smmu {
namespace {

using testing::ElementsAre;
using Numbers = ShortList<int, 2>;

Numbers up_to(int count) {
    Numbers numbers;
    for (int i = 0; i < count; ++i) numbers.push_back(i);
    return numbers;
}

TEST(ShortList, HoldsFewAndMany) {
    EXPECT_TRUE(Numbers().empty());
    for (const int count : {1, 2, 3, 4, 100}) {
        const Numbers numbers = up_to(count);
        ASSERT_EQ(numbers.size(), std::size_t(count));
        EXPECT_EQ(numbers.back(), count - 1);
        for (int i = 0; i < count; ++i) EXPECT_EQ(numbers[std::size_t(i)], i);
    }
    EXPECT_THAT(Numbers({7, 8, 9}), ElementsAre(7, 8, 9));
}

TEST(ShortList, ShrinksBelowWhatItHasRoomForAndGrowsAgain) {
    Numbers numbers = up_to(4);
    for (int i = 0; i < 4; ++i) numbers.pop_back();
    EXPECT_TRUE(numbers.empty());
    for (const int number : {5, 6, 7}) numbers.push_back(number);
    EXPECT_THAT(numbers, ElementsAre(5, 6, 7));
    numbers.clear();
    EXPECT_TRUE(numbers.empty());
    numbers.push_back(8);
    EXPECT_THAT(numbers, ElementsAre(8));
}

TEST(ShortList, AnElementOfItselfIsAppended) {
    Numbers numbers = up_to(2);
    numbers.push_back(numbers[1]);
    EXPECT_THAT(numbers, ElementsAre(0, 1, 1));
}

TEST(ShortList, CopiesAreEqualAndTheirOwn) {
    for (const int count : {0, 1, 2, 3, 100}) {
        const Numbers original = up_to(count);
        Numbers copy = original;
        EXPECT_EQ(copy, original);
        copy.push_back(-1);
        EXPECT_NE(copy, original);
        EXPECT_EQ(original, up_to(count));
        copy = original;
        EXPECT_EQ(copy, original);
    }
}

TEST(ShortList, WhatWasMovedIsEmpty) {
    for (const int count : {1, 2, 3, 100}) {
        Numbers from = up_to(count);
        Numbers to = std::move(from);
        EXPECT_EQ(to, up_to(count));
        EXPECT_TRUE(from.empty());  // NOLINT(bugprone-use-after-move): that it is empty is promised
        from = std::move(to);
        EXPECT_EQ(from, up_to(count));
    }
}

TEST(ShortList, NewElementsAreZero) {
    Numbers numbers = up_to(2);
    numbers.resize(5);
    EXPECT_THAT(numbers, ElementsAre(0, 1, 0, 0, 0));
    numbers.resize(1);
    EXPECT_THAT(numbers, ElementsAre(0));
}

}  // namespace
}  // namespace smmu

// SPDX-License-Identifier: Apache-2.0
#include "containment/reopening.hpp"

#include <gtest/gtest.h>

namespace smmu::containment {
namespace {

TEST(Reopening, TriesHalfAfterEachFailureThenRarely) {
    Reopening reopening;
    for (std::size_t expected = Reopening::most_ranges; expected > 0; expected /= 2) {
        ASSERT_EQ(reopening.turn(), expected);
        reopening.failed();
    }
    unsigned tried = 0;
    for (int turn = 0; turn < 10'000; ++turn)
        if (reopening.turn() != 0) {
            ++tried;
            reopening.failed();
        }
    EXPECT_GE(tried, 10'000 / (Reopening::longest_pause + 1));
    EXPECT_LE(tried, 50u);
}

TEST(Reopening, TriesMoreWithEachSuccess) {
    Reopening reopening;
    for (int i = 0; i < 30; ++i)
        if (reopening.turn() != 0) reopening.failed();
    while (reopening.turn() == 0) {}
    for (std::size_t expected = 2; expected <= Reopening::most_ranges; expected *= 2) {
        reopening.opened();
        ASSERT_EQ(reopening.turn(), expected) << "and no pause";
    }
    reopening.opened();
    EXPECT_EQ(reopening.turn(), Reopening::most_ranges);
}

}  // namespace
}  // namespace smmu::containment

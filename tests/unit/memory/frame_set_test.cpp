// SPDX-License-Identifier: Apache-2.0
#include "memory/frame_set.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <set>

namespace smmu::memory {
namespace {

TEST(FrameSet, AgainstAStdSet) {
    for (const std::uint32_t bound : {1u, 63u, 64u, 65u, 4096u, 4097u, 300'000u}) {
        FrameSet set(bound);
        std::set<std::uint32_t> model;
        std::mt19937 random(bound);
        for (int step = 0; step < 3000; ++step) {
            const std::uint32_t first = static_cast<std::uint32_t>(random()) % bound;
            const bool member = model.contains(first);
            ASSERT_EQ(set.contains(first), member);
            // As long a run as is all in or all out, of any length up to some hundred.
            FrameRun run{first, 1};
            const std::uint32_t most = 1 + static_cast<std::uint32_t>(random()) % 300;
            while (run.count < most && run.end() < bound && model.contains(run.end()) == member) ++run.count;
            if (member) {
                ASSERT_EQ(set.run_at(first, run.count), run);
                ASSERT_FALSE(set.contains_none(run));
                set.erase(run);
                for (std::uint32_t i = first; i < run.end(); ++i) model.erase(i);
            } else {
                ASSERT_TRUE(set.contains_none(run));
                ASSERT_FALSE(set.contains_none({bound - 1, 2})) << "past the end";
                set.insert(run);
                for (std::uint32_t i = first; i < run.end(); ++i) model.insert(i);
            }
            ASSERT_EQ(set.size(), model.size());
            const std::uint32_t place = static_cast<std::uint32_t>(random()) % bound;
            for (const std::uint32_t from : {0u, place, bound - 1}) {
                const auto next = model.lower_bound(from);
                ASSERT_EQ(set.from(from), next == model.end() ? std::nullopt : std::optional(*next));
            }
        }
        EXPECT_FALSE(set.contains(bound));
    }
}

}  // namespace
}  // namespace smmu::memory

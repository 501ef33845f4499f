// SPDX-License-Identifier: Apache-2.0
// TableCount against counting: walk every granule of the additions and collect the tables that hold its leaf.
#include "paging/table_count.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <set>

namespace smmu::paging {
namespace {

constexpr unsigned levels = 4;  // of four entries each: 256 pages

std::uint64_t span(unsigned level) { return std::uint64_t{1} << (12 + 2 * level); }

struct Addition {
    IovaRange range;
    std::uint64_t leaf_levels;
};

using Tables = std::set<std::pair<unsigned, std::uint64_t>>;  // (level, number at that level)

Tables tables_of(const std::vector<Addition>& additions) {
    Tables tables;
    for (const auto& [range, leaf_levels] : additions) {
        std::uint64_t at = range.first.value;
        while (at <= range.last.value) {
            unsigned leaf = 0;
            for (unsigned level = levels; level-- > 0;)
                if ((leaf_levels >> level & 1) != 0 && at % span(level) == 0 && range.last.value - at >= span(level) - 1) {
                    leaf = level;
                    break;
                }
            for (unsigned level = leaf; level + 1 < levels; ++level) tables.insert({level, at / span(level + 1)});
            at += span(leaf);
        }
    }
    return tables;
}

TEST(TableCount, AgainstCounting) {
    const char* given = std::getenv("SMMU_TEST_SEED");
    const unsigned seed = given != nullptr ? static_cast<unsigned>(std::strtoul(given, nullptr, 0)) : 3u;
    SCOPED_TRACE("SMMU_TEST_SEED=" + std::to_string(seed));
    std::mt19937 random(seed);
    TableCount::Shape shape{.levels = levels};
    for (unsigned level = 0; level < levels; ++level) shape.span_log2[level] = 12 + 2 * level;
    for (int round = 0; round < 5'000; ++round) {
        std::vector<Addition> additions;
        std::uint64_t page = random() % 40;
        while (page < 256 && additions.size() < 4) {
            const std::uint64_t count = 1 + random() % (random() % 2 == 0 ? 10 : 120);
            const std::uint64_t last = std::min<std::uint64_t>(page + count, 256) - 1;
            // Leaves of the smallest size always fit; what of the larger ones does is the alignment's doing.
            additions.push_back({{Iova{page << 12}, Iova{(last << 12) | 0xFFF}}, 1 | random() % 16});
            page = last + 1 + random() % 30;
        }
        const Tables all = tables_of(additions);
        Tables there;  // tables at the ends only, with every table above them, as in a real tree
        for (const auto& [range, leaf_levels] : additions)
            for (const Iova end : {range.first, range.last})
                if (random() % 3 == 0) {
                    for (unsigned level = random() % levels; level + 1 < levels; ++level)
                        there.insert({level, end.value / span(level + 1)});
                }
        TableCount count(shape);
        std::uint64_t counted = 0;
        for (const auto& [range, leaf_levels] : additions)
            counted += count.add(range, leaf_levels, [&](unsigned level, Iova address) {
                return there.contains({level, address.value / span(level + 1)});
            });
        std::uint64_t expected = 0;
        for (const auto& table : all)
            if (!there.contains(table)) ++expected;
        ASSERT_EQ(counted, expected) << "round " << round;
    }
}

}  // namespace
}  // namespace smmu::paging

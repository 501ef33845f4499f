// SPDX-License-Identifier: Apache-2.0
// TableCount: how many tables a row of additions will need, by arithmetic on their ends: mapping 64 GiB is counted as
// fast as mapping a page. Inside an addition nothing is mapped, so the tables that are there already can only be
// those at its two ends.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <optional>

#include "paging/change.hpp"

namespace smmu::paging {

class TableCount {
public:
    static constexpr unsigned most_levels = 6;

    struct Shape {
        unsigned levels;                                // tables from root to leaf table
        std::array<unsigned, most_levels> span_log2{};  // of one entry, by level
    };

    explicit TableCount(const Shape& shape) : shape_(shape) {}

    // Tables that `range` needs besides those of the additions before it (ascending, disjoint). `leaf_levels`: at
    // which levels its leaves may be. `stays(level, address)`: a table at that level translates the address and will
    // still be there.
    template <class Stays>
    std::uint64_t add(IovaRange range, std::uint64_t leaf_levels, Stays stays) {
        std::uint64_t needed = 0;
        for (unsigned level = 0; level + 1 < shape_.levels; ++level) {
            const unsigned reach = shape_.span_log2[level + 1];  // what one table at this level translates
            const std::uint64_t first = range.first.value >> reach, last = range.last.value >> reach;
            // Tables at this level are not needed where a leaf of a higher level fits.
            const std::uint64_t above = leaf_levels >> (level + 1) << (level + 1);
            std::uint64_t skipped_first = 1, skipped_last = 0;  // empty
            if (above != 0) {
                const unsigned leaf = shape_.span_log2[static_cast<unsigned>(std::countr_zero(above))];
                const std::uint64_t from = (range.first.value + mask(leaf)) >> leaf;
                const std::uint64_t to = (range.last.value + 1) >> leaf;  // past the last whole leaf
                if (from < to) {
                    skipped_first = from << (leaf - reach);
                    skipped_last = (to << (leaf - reach)) - 1;
                }
            }
            const auto skipped = [&](std::uint64_t table) {
                return skipped_first <= table && table <= skipped_last;
            };
            needed += last - first + 1;
            if (skipped_first <= skipped_last) needed -= skipped_last - skipped_first + 1;
            if (!skipped(first) && (counted_[level] == first || stays(level, range.first))) --needed;
            if (last != first && !skipped(last) && stays(level, range.last)) --needed;
            if (!skipped(last)) counted_[level] = last;
        }
        return needed;
    }

private:
    static constexpr std::uint64_t mask(unsigned bits) { return (std::uint64_t{1} << bits) - 1; }

    Shape shape_;
    std::array<std::optional<std::uint64_t>, most_levels> counted_{};  // the last table counted, by level
};

}  // namespace smmu::paging

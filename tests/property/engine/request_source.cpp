// SPDX-License-Identifier: Apache-2.0
#include "tests/property/engine/request_source.hpp"

#include <bit>
#include <cstdlib>
#include <iterator>

namespace smmu::paging::test {

std::uint64_t seed_of_run() {
    const char* const given = std::getenv("SMMU_TEST_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 0) : 20260101;
}

// Sizes by the order of magnitude, but no more pages than a walk over every leaf can afford.
std::uint64_t RequestSource::pages() {
    constexpr std::uint64_t by_leaf_sizes[] = {11, 15, 20};  // log2
    const std::uint64_t most = by_leaf_sizes[std::popcount(leaf_sizes_) - 1];
    const std::uint64_t size = std::uint64_t{1} << below(most + 1);
    switch (below(4)) {
        case 0: return size;
        case 1: return size + below(3);
        case 2: return size > 1 ? size - 1 : 1;
        default: return 1 + below(size);
    }
}

std::uint64_t RequestSource::first_page() {
    const std::uint64_t end = std::uint64_t{1} << (input_bits_ - page_log2_);
    const std::uint64_t row = std::uint64_t{1} << (page_log2_ - 3);  // pages of a leaf table
    const std::uint64_t hot[] = {0, row, 2 * row, std::uint64_t{1} << 18, (std::uint64_t{1} << 20) - row,
                                 std::uint64_t{1} << 20, end - row, end - 1};
    const std::uint64_t at = std::min(hot[below(std::size(hot))], end - 1);  // 32 bits of address end before some
    switch (below(4)) {
        case 0: return at;
        case 1: return at > 0 ? at - 1 : 1;
        default: return std::min(at + below(1100), end - 1);
    }
}

IovaRange RequestSource::anywhere() {
    const std::uint64_t end = std::uint64_t{1} << (input_bits_ - page_log2_);
    const std::uint64_t first = first_page();
    const std::uint64_t last = std::min(first + pages() - 1, end - 1);
    return pages_from(first, last);
}

// A part of a mapped piece: whole, from either end, or a hole.
IovaRange RequestSource::inside(const Oracle& mapped) {
    auto piece = mapped.begin();
    std::advance(piece, static_cast<std::ptrdiff_t>(below(mapped.size())));
    const std::uint64_t first = piece->range.first.value >> page_log2_;
    const std::uint64_t count = (piece->range.last.value >> page_log2_) - first + 1;
    std::uint64_t from = 0, to = count - 1;
    if (!once_in(4)) from = once_in(2) ? below(count) : std::min(count - 1, below(4));
    if (!once_in(4)) to = from + (once_in(2) ? below(count - from) : std::min(count - from - 1, below(4)));
    return pages_from(first + from, first + to);
}

Access RequestSource::access() {
    constexpr Access all[] = {Access::read, read_write, Access::write};
    return all[below(write_alone_ ? 3 : 2)];
}

// Memory as far aligned as the device addresses, or just not.
Map RequestSource::map(IovaRange range) {
    const std::uint64_t distance[] = {0, std::uint64_t{5} << 30, std::uint64_t{7} << 21, std::uint64_t{3} << page_log2_};
    PhysAddr physical{(range.first.value + distance[below(std::size(distance))]) & 0x0000'FFFF'FFFF'F000};
    // Every format can say 48 bits.
    if ((physical + (range.last - range.first)).value >> 48 != 0) physical.value &= 0x00FF'FFFF'F000;
    return {range, physical, access()};
}

// Pages that lie anywhere, each at its own place; some follow each other, some are the same.
Map RequestSource::list(IovaRange range) {
    const std::uint64_t page = std::uint64_t{1} << page_log2_;
    const std::uint64_t count = std::min<std::uint64_t>((range.last - range.first) / page + 1, 1 + below(1200));
    list_.clear();
    for (std::uint64_t i = 0; i < count; ++i) {
        const bool follows = i > 0 && once_in(3);
        list_.push_back(follows ? PhysAddr{list_.back().value + below(2) * page} : PhysAddr{below(1 << 20) << page_log2_});
    }
    return {{range.first, range.first + (count * page - 1)}, {}, access(), list_.data()};
}

std::vector<Change> RequestSource::next(const Oracle& mapped) {
    const std::uint64_t top = (std::uint64_t{1} << input_bits_) - 1;
    if (mapped.size() > 40 || once_in(60)) return {Unmap{{Iova{0}, Iova{top}}}};
    if (mapped.empty()) return {map(anywhere())};
    std::vector<Change> changes;
    switch (below(9)) {
        case 8: return {list(anywhere())};
        case 0: return {Unmap{anywhere()}};
        case 1:
        case 2: return {Unmap{inside(mapped)}};
        case 3: {  // another access for a part
            const auto range = inside(mapped);
            const auto target = mapped.at(range.first);
            return {Unmap{range}, Map{range, PhysAddr{target->physical}, access()}};
        }
        case 4: {  // another place for a part
            const auto range = inside(mapped);
            return {Unmap{range}, map(range)};
        }
        case 5:  // many at once
            for (std::uint64_t i = below(6) + 2; i > 0; --i) changes.push_back(Unmap{inside(mapped)});
            for (std::uint64_t i = below(4); i > 0; --i) changes.push_back(map(anywhere()));
            return changes;
        default: return {map(anywhere())};
    }
}

CheckedSpaceBase::Options RequestSource::options() {
    constexpr std::uint64_t budgets[] = {~std::uint64_t{0}, ~std::uint64_t{0}, 1, 2, 7};
    CheckedSpaceBase::Options options;
    options.budget = budgets[below(std::size(budgets))];
    if (once_in(12)) options.abandon_after = static_cast<int>(below(4));
    return options;
}

}  // namespace smmu::paging::test

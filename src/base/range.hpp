// SPDX-License-Identifier: Apache-2.0
// Range: consecutive addresses, both ends included, so that the top of a 64-bit space can be said.
// A Range is never empty.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/address.hpp"
#include "base/assert.hpp"

namespace smmu {

template <class A>
struct Range {
    A first;
    A last;

    friend constexpr auto operator<=>(const Range&, const Range&) = default;

    // Nothing when length is 0 or the range would wrap past the top of the address space.
    static constexpr std::optional<Range> from_length(A first, std::uint64_t length) {
        if (length == 0 || length - 1 > ~std::uint64_t{0} - first.value) return std::nullopt;
        return Range{first, first + (length - 1)};
    }

    // Bytes; the whole 64-bit space (2^64 bytes) cannot be said and must not be asked.
    constexpr std::uint64_t length() const { return last - first + 1; }
    constexpr bool contains(A address) const { return first <= address && address <= last; }
    constexpr bool contains(const Range& other) const { return first <= other.first && other.last <= last; }
    constexpr bool overlaps(const Range& other) const { return first <= other.last && other.first <= last; }

    // The common part; nothing when there is none.
    constexpr std::optional<Range> intersection(const Range& other) const {
        if (!overlaps(other)) return std::nullopt;
        return Range{std::max(first, other.first), std::min(last, other.last)};
    }

    // The smallest range of whole granules (2^size_log2 bytes each) that holds this one.
    constexpr Range rounded_out(unsigned size_log2) const {
        const std::uint64_t mask = (std::uint64_t{1} << size_log2) - 1;
        return {{first.value & ~mask}, {last.value | mask}};
    }
};

using IovaRange = Range<Iova>;
using PhysRange = Range<PhysAddr>;

}  // namespace smmu

// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/page_run.hpp"

#include <algorithm>
#include <numeric>

namespace smmu::platform::linux {

std::vector<std::uint32_t> page_run(std::span<const PhysAddr> pages, std::uint64_t page_bytes, std::size_t wanted) {
    std::vector<std::uint32_t> order(pages.size());
    std::iota(order.begin(), order.end(), 0u);
    std::ranges::sort(order, {}, [&](std::uint32_t page) { return pages[page]; });
    std::span<const std::uint32_t> best;
    std::size_t begin = 0;
    for (std::size_t end = 1; end <= order.size() && best.size() < wanted; ++end) {
        if (end - begin > best.size()) best = std::span(order).subspan(begin, end - begin);
        if (end < order.size() && pages[order[end]] != pages[order[end - 1]] + page_bytes) begin = end;
    }
    return {best.begin(), best.end()};
}

std::vector<PhysRange> extents_of(std::span<const PhysAddr> pages, std::uint64_t page_bytes) {
    std::vector<PhysRange> extents;
    for (const PhysAddr page : pages) {
        if (!extents.empty() && extents.back().last + 1 == page)
            extents.back().last = page + (page_bytes - 1);
        else
            extents.push_back({page, page + (page_bytes - 1)});
    }
    return extents;
}

}  // namespace smmu::platform::linux

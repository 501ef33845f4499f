// SPDX-License-Identifier: Apache-2.0
#include "tests/models/mmu500/model/features.hpp"

#include <algorithm>
#include <bit>

namespace smmu::model::mmu500 {
namespace {

constexpr unsigned least_pages = 8;  // of each half

constexpr std::uint32_t size_code(unsigned bits) {
    constexpr unsigned sizes[] = {32, 36, 40, 42, 44, 48};
    return std::uint32_t(std::find(std::begin(sizes), std::end(sizes), bits) - std::begin(sizes));
}

}  // namespace

unsigned Features::pages() const {
    return std::max(least_pages, std::bit_ceil(banks));
}

// No address look-up operations, no AArch32 tables, no broadcast maintenance.
std::uint32_t Features::idr0() const {
    return std::uint32_t{stage1} << 30 | std::uint32_t{stage2} << 29 | std::uint32_t{nested} << 28 |
           std::uint32_t{stream_matching} << 27 | 1u << 26 | 3u << 24 |
           std::uint32_t{coherent} << 14 | std::min(stream_bits, 15u) << 9 |
           std::uint32_t{extended_ids} << 8 | (stream_matching ? match_groups : 0);
}

std::uint32_t Features::idr1() const {
    const auto page_index = std::uint32_t(std::countr_zero(pages()) - 1);
    return std::uint32_t{large_pages} << 31 | page_index << 28 | stage2_banks << 16 |
           std::uint32_t{conflict_detection} << 15 | banks;
}

std::uint32_t Features::idr2() const {
    return size_code(input_bits) | size_code(output_bits) << 4 | size_code(input_bits) << 8 |
           std::uint32_t{granule_4k} << 12 | std::uint32_t{granule_16k} << 13 |
           std::uint32_t{granule_64k} << 14 | std::uint32_t{wide_vmid} << 15;
}

}  // namespace smmu::model::mmu500

// SPDX-License-Identifier: Apache-2.0
// PageRun: which of some pages lie in a row in physical memory.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/range.hpp"

namespace smmu::platform::linux {

// Indices of the pages of the lowest run that has `wanted` of them, in the order of their addresses; when there is none
// those of the longest.
std::vector<std::uint32_t> page_run(std::span<const PhysAddr> pages, std::uint64_t page_bytes, std::size_t wanted);

// The ranges that hold the pages, in their order; neighbours are joined.
std::vector<PhysRange> extents_of(std::span<const PhysAddr> pages, std::uint64_t page_bytes);

}  // namespace smmu::platform::linux

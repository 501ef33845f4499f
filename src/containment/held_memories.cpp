// SPDX-License-Identifier: Apache-2.0
#include "containment/held_memories.hpp"

#include <algorithm>

#include "base/assert.hpp"

namespace smmu::containment {
namespace {

std::vector<PhysRange> joined(std::span<const PhysRange> extents) {
    std::vector<PhysRange> sorted(extents.begin(), extents.end());
    std::ranges::sort(sorted);
    std::vector<PhysRange> result;
    for (const PhysRange& range : sorted) {
        // first - 1 is not formed for 0: the first range always starts a new one.
        if (!result.empty() && (range.first <= result.back().last || range.first - 1 == result.back().last))
            result.back().last = std::max(result.back().last, range.last);
        else
            result.push_back(range);
    }
    return result;
}

}  // namespace

MemoryNumber HeldMemories::add(std::shared_ptr<HeldMemory> memory) {
    if (!memory) return MemoryNumber::none;
    if (free_.empty()) {
        entries_.emplace_back();
        free_.push_back(MemoryNumber(std::uint32_t(entries_.size())));
        SMMU_ASSERT(entries_.size() >> memory_number_bits == 0);
    }
    const MemoryNumber number = free_.back();
    free_.pop_back();
    ++numbers_in_use_;
    auto ranges = joined(memory->extents());
    entry(number) = {std::move(memory), std::move(ranges), 0};
    return number;
}

bool HeldMemories::holds(MemoryNumber number, PhysRange range) const {
    const std::vector<PhysRange>& ranges = entry(number).ranges;
    const auto above = std::ranges::upper_bound(ranges, range.first, {}, &PhysRange::first);
    return above != ranges.begin() && std::prev(above)->contains(range);
}

void HeldMemories::granted(MemoryNumber number, std::uint64_t bytes) {
    entry(number).granted += bytes;
}

void HeldMemories::removed(MemoryNumber number, std::uint64_t bytes) {
    SMMU_ASSERT(entry(number).granted >= bytes);
    entry(number).granted -= bytes;
}

std::shared_ptr<HeldMemory> HeldMemories::take_unused(MemoryNumber number) {
    if (number == MemoryNumber::none || !entry(number).memory || entry(number).granted != 0) return nullptr;
    free_.push_back(number);
    --numbers_in_use_;
    return std::exchange(entry(number), {}).memory;
}

HeldMemories::Held HeldMemories::all() const {
    Held result;
    for (const Entry& one : entries_)
        if (one.memory) result.push_back(one.memory);
    return result;
}

}  // namespace smmu::containment

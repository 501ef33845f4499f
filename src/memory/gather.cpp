// SPDX-License-Identifier: Apache-2.0
#include "memory/gather.hpp"

#include <algorithm>

#include "memory/arena.hpp"

namespace smmu::memory {

Gather::Gather(Gather&& other) noexcept
    : ranges_(std::exchange(other.ranges_, {})),
      frames_(std::exchange(other.frames_, {})),
      everything_(std::exchange(other.everything_, false)) {}

Gather& Gather::operator=(Gather&& other) noexcept {
    SMMU_ASSERT(empty());
    ranges_ = std::exchange(other.ranges_, {});
    frames_ = std::exchange(other.frames_, {});
    everything_ = std::exchange(other.everything_, false);
    return *this;
}

Gather::~Gather() { SMMU_ASSERT(empty()); }

namespace {

// True when `right`, which does not begin below `left`, overlaps or follows it without a gap.
bool touches(const IovaRange& left, const IovaRange& right) {
    return right.first <= left.last || right.first - left.last == 1;
}

}  // namespace

void Gather::cover(IovaRange range) {
    auto at = std::lower_bound(ranges_.begin(), ranges_.end(), range,
                               [](const IovaRange& a, const IovaRange& b) { return a.first < b.first; });
    if (at != ranges_.begin() && touches(*(at - 1), range)) {
        --at;
        at->last = std::max(at->last, range.last);
    } else {
        at = ranges_.insert(at, range);
    }
    auto next = at + 1;
    while (next != ranges_.end() && touches(*at, *next)) {
        at->last = std::max(at->last, next->last);
        next = ranges_.erase(next);
    }
    if (ranges_.size() <= max_ranges) return;
    // One too many: the two that lie nearest to each other become their hull.
    std::size_t nearest = 1;
    for (std::size_t i = 2; i < ranges_.size(); ++i)
        if (ranges_[i].first - ranges_[i - 1].last < ranges_[nearest].first - ranges_[nearest - 1].last)
            nearest = i;
    ranges_[nearest - 1].last = ranges_[nearest].last;
    ranges_.erase(ranges_.begin() + static_cast<std::ptrdiff_t>(nearest));
}

void Gather::retire(Frame table) {
    SMMU_ASSERT(bool(table));
    frames_.push_back(std::move(table));
}

Result<Flushed> Invalidator::flush(Gather&& gathered, Arena& arena) {
    Gather flushing = std::move(gathered);
    Result<void> confirmed = invalidate(flushing);
    std::vector<Frame> frames = std::exchange(flushing.frames_, {});
    flushing.ranges_.clear();
    const bool everything = std::exchange(flushing.everything_, false);
    if (confirmed) return Flushed(std::move(frames), everything);
    for (Frame& frame : frames) arena.quarantine(std::move(frame));
    return pass_on(std::move(confirmed));
}

}  // namespace smmu::memory

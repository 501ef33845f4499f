// SPDX-License-Identifier: Apache-2.0
#include "memory/gather.hpp"

#include <algorithm>

#include "memory/arena.hpp"

namespace smmu::memory {

Gather::Gather(Gather&& other) noexcept { *this = std::move(other); }

Gather& Gather::operator=(Gather&& other) noexcept {
    SMMU_ASSERT(empty());
    std::ranges::copy(other.ranges(), ranges_.all.begin());
    range_count_ = std::exchange(other.range_count_, 0);
    frames_ = std::exchange(other.frames_, {});
    everything_ = std::exchange(other.everything_, false);
    return *this;
}

namespace {

// True when `right`, which does not begin below `left`, overlaps or follows it without a gap.
bool touches(const IovaRange& left, const IovaRange& right) {
    return right.first <= left.last || right.first - left.last == 1;
}

}  // namespace

// Makes one range of the one at `at` and the next.
void Gather::join_with_next(std::size_t at) {
    ranges_.all[at].last = std::max(ranges_.all[at].last, ranges_.all[at + 1].last);
    std::copy(ranges_.all.data() + at + 2, ranges_.all.data() + range_count_, ranges_.all.data() + at + 1);
    --range_count_;
}

void Gather::cover_besides(IovaRange range) {
    // Mostly they come in ascending order.
    std::size_t at = range_count_;
    while (at > 0 && range.first <= ranges_.all[at - 1].first) --at;
    std::copy_backward(ranges_.all.data() + at, ranges_.all.data() + range_count_, ranges_.all.data() + range_count_ + 1);
    ranges_.all[at] = range;
    ++range_count_;
    if (at > 0 && touches(ranges_.all[at - 1], range)) join_with_next(--at);
    while (at + 1 < range_count_ && touches(ranges_.all[at], ranges_.all[at + 1])) join_with_next(at);
    if (range_count_ <= max_ranges) return;
    // One too many: the two that lie nearest to each other become their hull.
    std::size_t nearest = 1;
    for (std::size_t i = 2; i < range_count_; ++i)
        if (ranges_.all[i].first - ranges_.all[i - 1].last < ranges_.all[nearest].first - ranges_.all[nearest - 1].last) nearest = i;
    join_with_next(nearest - 1);
}

void Gather::retire(Frame tables) {
    SMMU_ASSERT(bool(tables));
    if (frames_.empty() || !frames_.back().join(tables)) frames_.push_back(std::move(tables));
}

std::uint64_t Gather::retired() const {
    std::uint64_t count = 0;
    for (const Frame& frame : frames_) count += frame.count();
    return count;
}

Result<void> Invalidator::forget(IovaRange pages) {
    Gather gathered;
    gathered.cover(pages);
    Result<void> confirmed = invalidate(gathered);
    gathered.range_count_ = 0;
    return confirmed;
}

Result<Flushed> Invalidator::flush(Gather&& gathered, Arena& arena) {
    Result<void> confirmed = invalidate(gathered);
    gathered.range_count_ = 0;
    const bool everything = std::exchange(gathered.everything_, false);
    std::vector<Frame> frames = std::exchange(gathered.frames_, {});
    if (confirmed) return Flushed(std::move(frames), everything);
    for (Frame& frame : frames) arena.quarantine(std::move(frame));
    return pass_on(std::move(confirmed));
}

}  // namespace smmu::memory

// SPDX-License-Identifier: Apache-2.0
// Gather -> Flushed -> Arena::reclaim: the only way back for memory that hardware may have seen.
// A Gather collects what was removed; only Invalidator::flush turns it into a Flushed, and only after the
// hardware confirmed; only a Flushed gives frames back. The wrong order does not compile.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/range.hpp"
#include "base/result.hpp"
#include "memory/frame.hpp"

namespace smmu::memory {

class Arena;

class Gather {
public:
    Gather() = default;
    Gather(Gather&& other) noexcept;
    Gather& operator=(Gather&& other) noexcept;
    ~Gather() { SMMU_ASSERT(empty()); }  // must have been flushed

    // Translations in `range` were removed or made stricter.
    void cover(IovaRange range) {
        if (range_count_ == 0)
            ranges_.all[range_count_++] = range;
        else
            cover_besides(range);
    }
    // A table was unlinked, or several that lie in a row: the frames wait here, and caches of the walk itself must go too.
    void retire(Frame tables);
    // Everything of the space (or unit) must be forgotten, whatever the ranges say.
    void cover_everything() { everything_ = true; }

    bool empty() const { return range_count_ == 0 && frames_.empty() && !everything_; }
    bool everything() const { return everything_; }
    bool leaf_only() const { return frames_.empty() && !everything_; }
    // Disjoint, ascending, at most max_ranges; neighbours are joined (into a hull where there are too many).
    std::span<const IovaRange> ranges() const { return std::span(ranges_.all).first(range_count_); }

    // How many frames of tables wait for the flush.
    std::uint64_t retired() const;

    static constexpr std::size_t max_ranges = 16;

private:
    friend class Invalidator;
    void cover_besides(IovaRange range);
    void join_with_next(std::size_t at);

    // Only those before range_count_ are there (and one more while it is being put in): most requests have one, and setting
    // up the rest would be most of their cost.
    union Ranges {
        Ranges() {}
        std::array<IovaRange, max_ranges + 1> all;
    } ranges_;
    std::size_t range_count_ = 0;
    std::vector<Frame> frames_;
    bool everything_ = false;
};

class Flushed {
public:
    Flushed(Flushed&&) noexcept = default;
    ~Flushed() { SMMU_ASSERT(frames_.empty()); }  // must have been reclaimed, or be empty

private:
    friend class Invalidator;
    friend class Arena;
    Flushed(std::vector<Frame> frames, bool everything)
        : frames_(std::move(frames)), everything_(everything) {}
    std::vector<Frame> frames_;
    bool everything_;
};

// What a kind of unit implements so that its caches forget.
class Invalidator {
public:
    virtual ~Invalidator() = default;

    // Returns when the hardware confirmed that nothing gathered is cached or in flight any more. On failure
    // (EIO) the retired frames go to the arena's quarantine.
    Result<Flushed> flush(Gather&& gathered, Arena& arena);
    // The same of pages alone: no table was retired, and no frame waits for it.
    Result<void> forget(IovaRange pages);

private:
    virtual Result<void> invalidate(const Gather& gathered) = 0;
};

}  // namespace smmu::memory

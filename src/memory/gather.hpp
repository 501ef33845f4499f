// SPDX-License-Identifier: Apache-2.0
// Gather -> Flushed -> Arena::reclaim: the only way back for memory that hardware may have seen.
// A Gather collects what was removed; only Invalidator::flush turns it into a Flushed, and only after the
// hardware confirmed; only a Flushed gives frames back. The wrong order does not compile.
#pragma once

#include <cstdint>
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
    ~Gather();  // must have been flushed, or be empty

    // Translations in `range` were removed or made stricter.
    void cover(IovaRange range);
    // A table was unlinked: its frame waits here, and caches of the walk itself must go too.
    void retire(Frame table);
    // Everything of the space (or unit) must be forgotten, whatever the ranges say.
    void cover_everything() { everything_ = true; }

    bool empty() const { return ranges_.empty() && frames_.empty() && !everything_; }
    bool everything() const { return everything_; }
    bool leaf_only() const { return frames_.empty() && !everything_; }
    // Disjoint, ascending, at most max_ranges; neighbours are joined (into a hull where there are too many).
    const std::vector<IovaRange>& ranges() const { return ranges_; }

    // How many tables wait for the flush.
    std::size_t retired() const { return frames_.size(); }

    static constexpr std::size_t max_ranges = 16;

private:
    friend class Invalidator;
    std::vector<IovaRange> ranges_;
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

private:
    virtual Result<void> invalidate(const Gather& gathered) = 0;
};

}  // namespace smmu::memory

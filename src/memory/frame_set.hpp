// SPDX-License-Identifier: Apache-2.0
// FrameSet: which frames are free. A tree of bitmaps, 64 ways: the lowest member at or behind a place is found in as many
// steps as the tree is high (four for 64 GiB of frames); runs are put in and taken out by words.
#pragma once

#include <bit>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/assert.hpp"
#include "memory/frame_bits.hpp"

namespace smmu::memory {

class FrameSet {
public:
    // Empty; members are below `bound`.
    explicit FrameSet(std::uint32_t bound) : bound_(bound) {
        std::size_t words = bound;
        do {
            words = FrameBits::words_for(static_cast<std::uint32_t>(words));
            levels_.emplace_back(words, 0);
        } while (words > 1);
    }

    std::uint32_t size() const { return size_; }

    bool contains(std::uint32_t member) const {
        return member < bound_ && (levels_[0][member / 64] >> (member % 64) & 1) != 0;
    }

    bool contains_none(FrameRun run) const {
        if (run.end() > bound_) return false;
        const auto next = from(run.first);
        return !next || *next >= run.end();
    }

    // None of the run is a member before, all are after.
    void insert(FrameRun run) {
        SMMU_ASSERT(contains_none(run));
        size_ += run.count;
        for (std::size_t level = 0; level < levels_.size(); ++level) {
            bits(level).set(run);
            run = words_of(run);
        }
    }

    // All of the run are members before, none is after.
    void erase(FrameRun run) {
        SMMU_ASSERT(run.end() <= bound_ && bits(0).all(run));
        size_ -= run.count;
        for (std::size_t level = 0; run.count > 0 && level < levels_.size(); ++level) {
            bits(level).clear(run);
            run = words_of(run);
            // Those at the ends may still hold others.
            if (levels_[level][run.end() - 1] != 0) --run.count;
            if (run.count > 0 && levels_[level][run.first] != 0) run = {run.first + 1, run.count - 1};
        }
    }

    // The lowest member that is not below `place`.
    std::optional<std::uint32_t> from(std::uint32_t place) const {
        std::size_t level = 0;
        // Up, until a word has a member at or behind the place; then down to the lowest in it.
        for (;; ++level) {
            if (level == levels_.size() || place / 64 >= levels_[level].size()) return std::nullopt;
            const std::uint64_t rest = levels_[level][place / 64] >> (place % 64);
            if (rest != 0) {
                place += static_cast<std::uint32_t>(std::countr_zero(rest));
                break;
            }
            place = place / 64 + 1;
        }
        while (level-- > 0) place = place * 64 + static_cast<std::uint32_t>(std::countr_zero(levels_[level][place]));
        return place;
    }

    // The run of members from `first`, a member, on: at most `most` of them.
    FrameRun run_at(std::uint32_t first, std::uint32_t most) const {
        std::uint32_t end = first;
        while (end < bound_ && end - first < most) {
            const auto members = static_cast<std::uint32_t>(std::countr_one(levels_[0][end / 64] >> (end % 64)));
            end += members;
            if (members == 0 || end % 64 != 0) break;
        }
        return {first, std::min(end - first, most)};
    }

private:
    FrameBits bits(std::size_t level) { return FrameBits(levels_[level]); }
    // The words that hold a run.
    static FrameRun words_of(FrameRun run) { return {run.first / 64, (run.end() - 1) / 64 - run.first / 64 + 1}; }

    std::vector<std::vector<std::uint64_t>> levels_;  // [0]: a bit per member; above: a bit per word that is not 0
    std::uint32_t bound_;
    std::uint32_t size_ = 0;
};

}  // namespace smmu::memory

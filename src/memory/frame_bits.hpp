// SPDX-License-Identifier: Apache-2.0
// FrameBits: one bit per frame, set and cleared by runs: a run of a thousand frames costs sixteen words.
#pragma once

#include <cstdint>
#include <span>

#include "base/assert.hpp"

namespace smmu::memory {

// A row of consecutive frames.
struct FrameRun {
    std::uint32_t first, count;
    std::uint32_t end() const { return first + count; }
    friend bool operator==(const FrameRun&, const FrameRun&) = default;
};

// A view: the words are somebody else's. A set bit of a frame that is put on record before the frame is linked is seen by
// whoever reads the words after a crash: each word is stored whole.
class FrameBits {
public:
    static constexpr std::size_t words_for(std::uint32_t frames) { return (std::size_t{frames} + 63) / 64; }

    FrameBits() = default;
    explicit FrameBits(std::span<std::uint64_t> words) : words_(words) {}

    bool test(std::uint32_t frame) const { return (words_[frame / 64] >> (frame % 64) & 1) != 0; }
    bool all(FrameRun run) const {
        return each_word(run, [](std::uint64_t word, std::uint64_t mask) { return (word & mask) == mask; });
    }
    bool none(FrameRun run) const {
        return each_word(run, [](std::uint64_t word, std::uint64_t mask) { return (word & mask) == 0; });
    }
    void set(FrameRun run) {
        each_word(run, [](std::uint64_t& word, std::uint64_t mask) { word |= mask; return true; });
    }
    void clear(FrameRun run) {
        each_word(run, [](std::uint64_t& word, std::uint64_t mask) { word &= ~mask; return true; });
    }

private:
    // Calls act(word, bits of the run in it), ascending, until it says false.
    template <class Act>
    bool each_word(FrameRun run, Act act) const {
        std::uint32_t frame = run.first;
        while (frame < run.end()) {
            const std::uint32_t bit = frame % 64, left = run.end() - frame;
            const std::uint32_t here = left < 64 - bit ? left : 64 - bit;
            const std::uint64_t mask = (~std::uint64_t{0} >> (64 - here)) << bit;
            if (!act(words_[frame / 64], mask)) return false;
            frame += here;
        }
        return true;
    }

    std::span<std::uint64_t> words_;
};

}  // namespace smmu::memory

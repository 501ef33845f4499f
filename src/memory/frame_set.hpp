// SPDX-License-Identifier: Apache-2.0
// FrameSet: which frames are free. A tree of bitmaps, 64 ways: the lowest member is found, and any one is put in or
// taken out, in as many steps as the tree is high (four for 64 GiB of frames).
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "base/assert.hpp"

namespace smmu::memory {

class FrameSet {
public:
    // Empty; members are below `bound`.
    explicit FrameSet(std::uint32_t bound) : bound_(bound) {
        std::size_t words = bound;
        do {
            words = (words + 63) / 64;
            levels_.emplace_back(words, 0);
        } while (words > 1);
    }

    std::uint32_t size() const { return size_; }

    bool contains(std::uint32_t member) const {
        return member < bound_ && (levels_[0][member / 64] >> (member % 64) & 1) != 0;
    }

    void insert(std::uint32_t member) {
        SMMU_ASSERT(member < bound_ && !contains(member));
        ++size_;
        for (std::vector<std::uint64_t>& level : levels_) {
            std::uint64_t& word = level[member / 64];
            const bool known_above = word != 0;
            word |= std::uint64_t{1} << (member % 64);
            if (known_above) return;
            member /= 64;
        }
    }

    void erase(std::uint32_t member) {
        SMMU_ASSERT(contains(member));
        --size_;
        for (std::vector<std::uint64_t>& level : levels_) {
            std::uint64_t& word = level[member / 64];
            word &= ~(std::uint64_t{1} << (member % 64));
            if (word != 0) return;
            member /= 64;
        }
    }

    // The lowest member of a set that is not empty.
    std::uint32_t lowest() const {
        SMMU_ASSERT(size_ > 0);
        std::uint32_t position = 0;
        for (std::size_t level = levels_.size(); level-- > 0;) {
            const std::uint64_t word = levels_[level][position];
            position = position * 64 + static_cast<std::uint32_t>(std::countr_zero(word));
        }
        return position;
    }

private:
    std::vector<std::vector<std::uint64_t>> levels_;  // [0]: a bit per member; above: a bit per word that is not 0
    std::uint32_t bound_;
    std::uint32_t size_ = 0;
};

}  // namespace smmu::memory

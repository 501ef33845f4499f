// SPDX-License-Identifier: Apache-2.0
// Frame: a run of table memory that hardware may walk: one frame of 4 KiB, or several in a row. It has exactly one owner,
// and it never dies by itself: one that hardware has not seen is discarded, one that hardware may have seen goes back
// only through Gather -> Flushed -> Arena::reclaim. Letting one drop is an internal error.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "base/address.hpp"
#include "base/assert.hpp"

namespace smmu::memory {

inline constexpr unsigned frame_log2 = 12;
inline constexpr std::uint64_t frame_bytes = std::uint64_t{1} << frame_log2;

// How much table memory somebody holds and may hold, in frames. Outlives every frame taken on it.
struct Account {
    std::uint64_t limit = ~std::uint64_t{0};
    std::uint64_t held = 0;
    Account* within = nullptr;  // what is held here is held there too: all clients together leave the service some

    // Frames that may still be taken.
    std::uint64_t room() const {
        const std::uint64_t own = limit > held ? limit - held : 0;
        return within == nullptr ? own : std::min(own, within->room());
    }
    void charge(std::uint64_t frames) {
        held += frames;
        if (within != nullptr) within->charge(frames);
    }
    void relieve(std::uint64_t frames) {
        SMMU_ASSERT(held >= frames);
        held -= frames;
        if (within != nullptr) within->relieve(frames);
    }
};

class Frame {
public:
    Frame() = default;
    Frame(Frame&& other) noexcept { swap(other); }
    Frame& operator=(Frame&& other) noexcept {
        SMMU_ASSERT(!*this);
        swap(other);
        return *this;
    }
    ~Frame() { SMMU_ASSERT(!*this); }

    explicit operator bool() const { return words_ != nullptr; }
    PhysAddr address() const { return address_; }
    std::uint64_t count() const { return count_; }  // frames of 4 KiB in the run
    std::size_t word_count() const { return count_ * (frame_bytes / sizeof(std::uint64_t)); }
    // The CPU's view. Live structures are written through one door per type, never through this.
    std::uint64_t* words() const { return words_; }

    // The first `count` frames of the run, which keeps the rest (nothing, when that is all).
    Frame take_front(std::uint64_t count) {
        SMMU_ASSERT(0 < count && count <= count_);
        if (count == count_) return std::move(*this);
        Frame front;
        front.address_ = address_;
        front.words_ = words_;
        front.account_ = account_;
        front.count_ = count;
        address_ = address_ + (count << frame_log2);
        words_ += count * (frame_bytes / sizeof(std::uint64_t));
        count_ -= count;
        return front;
    }
    // Makes one run of two when `next` begins where this one ends; else says false and leaves both.
    bool join(Frame& next) {
        if (address_ + (count_ << frame_log2) != next.address_ || account_ != next.account_) return false;
        count_ += next.count_;
        next.words_ = nullptr;
        return true;
    }

private:
    friend class Arena;
    void swap(Frame& other) noexcept {
        std::swap(address_, other.address_);
        std::swap(words_, other.words_);
        std::swap(account_, other.account_);
        std::swap(count_, other.count_);
    }

    PhysAddr address_{};
    std::uint64_t* words_ = nullptr;
    Account* account_ = nullptr;
    std::uint64_t count_ = 1;
};

}  // namespace smmu::memory

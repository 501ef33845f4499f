// SPDX-License-Identifier: Apache-2.0
// Arena: the table memory of this service. A fixed physical range with a header that outlives the process:
// a new instance finds in it which frames hardware may still be walking.
//
//   frame 0 ..        header: magic, version, boot identity, generation, then the record: one bit per frame
//   the rest          frames; the record says free or taken
//
// A frame of an earlier generation may be in use by hardware, whatever the crash interrupted. It is not
// touched until a complete invalidation has followed the take-over (retire_earlier_generations).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/range.hpp"
#include "base/result.hpp"
#include "memory/frame.hpp"
#include "memory/frame_bits.hpp"

namespace smmu::memory {

class Flushed;

// Names one run of the machine: equal means that hardware has kept its state since.
using BootIdentity = std::array<std::uint8_t, 16>;

// Physically contiguous memory with its CPU view; the platform keeps both valid for the arena's life.
struct TableMemory {
    PhysRange range;
    std::span<std::byte> bytes;
};

class Arena {
public:
    // Opens the arena: continues the one found in `memory` when it is of this boot (the generation goes up by one), else
    // writes a new one. EINVAL when the memory is too small (< 64 frames); EEXIST when what an instance of this boot left
    // there has another size or version or is damaged: hardware may be walking it, so nothing is touched.
    static Result<std::unique_ptr<Arena>> open(TableMemory memory, BootIdentity boot);
    // Whether open() would continue an arena found there. Errors as open(); nothing is written.
    static Result<bool> would_continue(TableMemory memory, BootIdentity boot);
    ~Arena();

    PhysRange range() const;
    std::uint32_t generation() const;           // 1 on a new arena
    bool continued() const { return generation() > 1; }  // frames of earlier generations may exist

    // 2^order frames in a row, aligned to their size, all zero. ENOMEM, or EDQUOT when `account` is full.
    Result<Frame> take(Account& account, unsigned order = 0);
    // `count` of these, each by itself: all or nothing.
    Result<std::vector<Frame>> take_many(Account& account, std::uint64_t count);
    // 2^order * `count` frames in as few runs as there are, added to `runs`, the one to begin with last; all or nothing.
    // Every run begins at a multiple of 2^order frames and is one long. What is in them is what was there before: only for
    // an owner that writes every word before a frame is linked.
    Result<void> take_unwritten(Account& account, std::uint64_t count, unsigned order, std::vector<Frame>& runs);
    // How many frames of one order could be taken on `account` now.
    std::uint64_t available(const Account& account, unsigned order = 0) const noexcept;

    // Gives back a frame that was never linked where hardware could see it.
    void discard(Frame frame) noexcept;
    // Gives back frames whose invalidation is complete: Flushed is the proof.
    void reclaim(Flushed&& flushed) noexcept;
    // Keeps frames for the life of this instance: their invalidation was not confirmed, so hardware may still
    // walk them. They no longer count on their account.
    void quarantine(Frame frame) noexcept;

    // A frame that is part of a linked structure is owned by the link to it. Whoever removes the link takes it back, as
    // the run it is by then: `count` frames, kept on `account`. Both cost by 64 frames.
    PhysAddr keep(Frame frame) noexcept;
    Frame take_back(PhysAddr address, std::uint64_t count, Account& account) noexcept;
    bool is_kept(PhysAddr address) const noexcept;  // any frame of a kept run
    // What the owner of a kept frame remembers with it, where its words are: of a table, its entries that are live, and
    // those among them that lead to further tables.
    struct Tally {
        std::uint32_t live, links;
        friend bool operator==(const Tally&, const Tally&) = default;
    };
    Tally& tally(const void* words) noexcept {
        const auto offset = static_cast<std::uint64_t>(static_cast<const std::byte*>(words) - bytes_.data());
        SMMU_ASSERT(offset < bytes_.size() && kept_.test(static_cast<std::uint32_t>(offset >> frame_log2)));
        return tallies_[offset >> frame_log2];
    }

    // Takes over the frame at `address`, which an earlier generation left and hardware is walking now, with its
    // contents. Nothing is changed in it. ENOENT when it is not inside the arena, not a frame of an earlier
    // generation, or was adopted already.
    Result<Frame> adopt(PhysAddr address, Account& account, unsigned order = 0);
    // Frees every frame of an earlier generation that was not adopted. `proof` is of the invalidation of everything
    // (Gather::cover_everything) that followed take-over.
    void retire_earlier_generations(Flushed&& proof) noexcept;

    // The CPU's view of a frame that is in use (by this or an earlier generation); nullptr when `address` is not the
    // start of such a frame.
    std::uint64_t* words_at(PhysAddr address) const noexcept;
    // The CPU's view of what an entry written by this instance leads to; an address outside the arena is an internal
    // error.
    [[gnu::always_inline]] std::uint64_t* view(PhysAddr address) const noexcept {
        SMMU_ASSERT(address.value - bytes_at_.value < bytes_.size());
        return reinterpret_cast<std::uint64_t*>(address.value + from_address_to_view_);
    }

    struct Count {
        std::uint64_t total, free, used, earlier, quarantined;  // frames
    };
    Count count() const noexcept;

private:
    struct State;
    explicit Arena(std::unique_ptr<State> state);
    template <class Visit>
    void each_free_run(unsigned order, Visit visit) const;
    Result<void> check_room(const Account& account, std::uint64_t frames) const;
    Frame mark_used(FrameRun run, Account& account);
    FrameRun let_go(Frame& frame) noexcept;
    std::unique_ptr<State> state_;
    // Views of what the state holds, for what is asked most.
    PhysAddr bytes_at_;
    std::span<std::byte> bytes_;
    std::uintptr_t from_address_to_view_;  // added to the one it is the other: walks hang on it
    FrameBits kept_;
    std::span<Tally> tallies_;
};

}  // namespace smmu::memory

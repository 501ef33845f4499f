// SPDX-License-Identifier: Apache-2.0
// Arena: the table memory of this service. A fixed physical range with a header that outlives the process:
// a new instance finds in it which frames hardware may still be walking.
//
//   frame 0 ..        header: magic, version, boot identity, generation, then one record per frame
//   the rest          frames; a record says free, or the generation that took the frame
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
    // `count` frames of one order: all or nothing. Unwritten ones hold whatever they held before: only for an owner
    // that writes every word before the frame is linked.
    enum class Contents { zero, unwritten };
    Result<std::vector<Frame>> take_many(Account& account, std::uint64_t count, Contents contents = Contents::zero,
                                         unsigned order = 0);
    // How many frames of one order could be taken on `account` now.
    std::uint64_t available(const Account& account, unsigned order = 0) const noexcept;

    // Gives back a frame that was never linked where hardware could see it.
    void discard(Frame frame) noexcept;
    // Gives back frames whose invalidation is complete: Flushed is the proof.
    void reclaim(Flushed&& flushed) noexcept;
    // Keeps frames for the life of this instance: their invalidation was not confirmed, so hardware may still
    // walk them. They no longer count on their account.
    void quarantine(Frame frame) noexcept;

    // A frame that is part of a linked structure is owned by the link to it: the arena remembers the rest of the
    // Frame, and whoever removes the link takes it back. Both are O(1).
    PhysAddr keep(Frame frame) noexcept;
    Frame take_back(PhysAddr address) noexcept;
    bool is_kept(PhysAddr address) const noexcept;
    // A number that the owner of a kept frame may remember with it (for a table: how many entries are live).
    std::uint32_t& tally(PhysAddr address) noexcept;

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

    struct Count {
        std::uint64_t total, free, used, earlier, quarantined;  // frames
    };
    Count count() const noexcept;

private:
    struct State;
    explicit Arena(std::unique_ptr<State> state);
    template <class Visit>
    void each_free_run(unsigned order, Visit visit) const;
    Result<std::vector<Frame>> take_runs(Account& account, std::uint64_t count, Contents contents, unsigned order);
    Frame mark_used(std::uint32_t index, Account& account, unsigned order);
    void let_go(Frame& frame) noexcept;
    std::unique_ptr<State> state_;
};

}  // namespace smmu::memory

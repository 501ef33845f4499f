// SPDX-License-Identifier: Apache-2.0
// CommandQueue: the ring by which the unit is told to forget. Used synchronously: it is empty between two calls.
#pragma once

#include <span>

#include "memory/frame.hpp"
#include "units/smmuv3/command.hpp"
#include "units/smmuv3/hardware.hpp"

namespace smmu::units::smmuv3 {

class CommandQueue {
public:
    // Commands of one batch, its CMD_SYNC left out: MMU-700 before r1p1 wants one at least every 64 (erratum 2812531).
    static constexpr std::size_t largest_batch = 62;

    // `ring` is a frame of the unit.
    CommandQueue(Hardware& hardware, const memory::Frame& ring);

    // Turns the queue off where somebody left it on, and on with this ring. Whatever was in it is not done any more.
    Result<void> start() noexcept;
    // Returns when the unit has done them all, in order. EIO when it did not: nothing may be taken for forgotten then.
    Result<void> run(std::span<const Command> commands) noexcept;

    hw::Bits<CommandQueueBase> base() const;
    bool is_dead() const { return dead_; }  // did not answer; it is not asked again before start()
    std::uint64_t commands() const { return commands_; }
    std::uint64_t syncs() const { return syncs_; }
    std::uint64_t errors() const { return errors_; }

private:
    enum class Outcome : std::uint8_t { done, again, silent };

    Result<void> run_batch(std::span<const Command> commands);
    void put(const Command& command);
    Outcome await(const hw::Deadline& deadline);
    bool has_error() const;
    bool recover();
    std::uint32_t positions() const { return 2u << entries_log2_; }  // indices with their wrap bit

    Hardware& hardware_;
    std::uint64_t* ring_;
    PhysAddr ring_at_;
    unsigned entries_log2_;
    std::uint32_t tail_ = 0;  // position to be written next
    std::uint64_t commands_ = 0, syncs_ = 0, errors_ = 0;
    bool dead_ = true;
};

}  // namespace smmu::units::smmuv3

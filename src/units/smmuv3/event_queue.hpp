// SPDX-License-Identifier: Apache-2.0
// EventQueue: the ring in which the unit records what it refused.
#pragma once

#include <vector>

#include "memory/arena.hpp"
#include "units/smmuv3/event.hpp"
#include "units/smmuv3/hardware.hpp"

namespace smmu::units::smmuv3 {

class EventQueue {
public:
    static constexpr unsigned ring_order = 3;          // frames, log2: 1024 records
    static constexpr std::uint64_t records_per_call = 256;

    // `ring` has ring_order.
    EventQueue(Hardware& hardware, const memory::Frame& ring);

    // Turns the queue off where somebody left it on, and on with this ring, empty.
    Result<void> start() noexcept;
    // The same after an earlier instance: what its queue holds, and nobody has read, comes with the next drains.
    Result<void> start_after(const memory::Arena& arena) noexcept;
    Drained drain(RefusalSink& sink) noexcept;

    hw::Bits<EventQueueBase> base() const;

private:
    Event read(std::uint32_t position) const;
    void keep_earlier(const memory::Arena& arena) noexcept;
    Drained drain_earlier(RefusalSink& sink) noexcept;
    bool take_write_error();
    std::uint32_t positions() const { return 2u << entries_log2_; }  // indices with their wrap bit

    Hardware& hardware_;
    std::uint64_t* ring_;
    PhysAddr ring_at_;
    unsigned entries_log2_;
    std::uint32_t head_ = 0;  // position to be read next
    bool overflow_seen_ = false;
    std::vector<Event> earlier_;  // the newest first
    std::uint64_t earlier_lost_ = 0;
};

}  // namespace smmu::units::smmuv3

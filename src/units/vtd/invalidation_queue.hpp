// SPDX-License-Identifier: Apache-2.0
// InvalidationQueue: a ring of descriptors in table memory, and the word that a wait descriptor
// writes when all before it are done. Used synchronously: it is empty between two calls. Descriptors
// have 16 bytes, and 32 where tables of scalable mode are used.
#pragma once

#include "hw/entry16.hpp"
#include "memory/frame.hpp"
#include "units/vtd/hardware.hpp"
#include "units/vtd/invalidation.hpp"

namespace smmu::units::vtd {

class InvalidationQueue final : public Invalidation {
public:
    // What IQA holds while the unit works on the ring at `ring`, one page of descriptors.
    static hw::Bits<QueueAddress> address_of(PhysAddr ring, const Features& features);

    // `ring` and `status` are frames of the unit. `sequence` numbers the waits that report to
    // `status` and outlives the queue: a late answer to a queue that was given up is never taken
    // for one to its successor.
    InvalidationQueue(Hardware& hardware, const memory::Frame& ring, const memory::Frame& status,
                      std::uint32_t& sequence)
        : hardware_(hardware),
          ring_(ring.words()),
          ring_at_(ring.address()),
          status_(status.words()),
          status_at_(status.address()),
          sequence_(sequence) {}

    // Turns the queue on; it must be off.
    Result<void> start() noexcept;
    // Goes on with the ring where an earlier instance, stopped at any point, left it running.
    Result<void> resume() noexcept;

    Result<void> run(std::span<const Invalidate> requests) noexcept override;

    hw::Bits<QueueAddress> address() const { return address_of(ring_at_, hardware_.features()); }
    // Whether the unit works on this ring.
    bool is_on() const;
    std::uint64_t errors() const { return errors_; }
    // Did not answer; it is not asked again.
    bool is_dead() const { return dead_; }

private:
    enum class Outcome : std::uint8_t { done, again, silent };

    Result<void> run_batch(std::span<const Invalidate> requests);
    void write_requests(std::span<const Invalidate> requests);
    void write_descriptor(hw::Entry16 descriptor);
    void write_wait(bool fence);
    Outcome await(std::uint32_t sequence, const hw::Deadline& deadline);
    bool settle(const hw::Deadline& deadline);
    bool recover();
    bool is_empty() const;
    std::uint32_t units_per_slot() const;  // of IQH and IQT
    std::uint32_t slots() const;
    template <class Pointer>
    std::uint32_t slot_in() const;
    void move_tail(std::uint32_t slot) const;
    void put(std::uint32_t slot, hw::Entry16 descriptor);

    Hardware& hardware_;
    std::uint64_t* ring_;
    PhysAddr ring_at_;
    std::uint64_t* status_;
    PhysAddr status_at_;
    std::uint32_t& sequence_;  // data of the last wait
    std::uint32_t tail_ = 0;   // slot to be written next
    std::uint64_t errors_ = 0;
    bool dead_ = false;
};

}  // namespace smmu::units::vtd

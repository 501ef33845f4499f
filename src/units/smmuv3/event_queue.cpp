// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv3/event_queue.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

namespace smmu::units::smmuv3 {
namespace {

constexpr unsigned event_log2 = 5;  // bytes

Event event_at(std::uint64_t* place, memory::Coherency coherency) {
    memory::refresh(coherency, place, sizeof(Event));
    Event event;
    for (std::size_t i = 0; i < event.size(); ++i)
        event[i] = std::atomic_ref<std::uint64_t>(place[i]).load(std::memory_order_relaxed);
    return event;
}

}  // namespace

EventQueue::EventQueue(Hardware& hardware, const memory::Frame& ring)
    : hardware_(hardware), ring_(ring.words()), ring_at_(ring.address()),
      entries_log2_(std::min(hardware.features().event_queue_log2, memory::frame_log2 + ring_order - event_log2)) {}

hw::Bits<EventQueueBase> EventQueue::base() const {
    return EventQueueBase::allocate(1) | EventQueueBase::address.of_address(ring_at_.value) |
           EventQueueBase::entries_log2.of(entries_log2_);
}

Result<void> EventQueue::start() noexcept {
    const hw::Registers& registers = hardware_.registers();
    SMMU_CHECK(hardware_.disable(Control::event_queue, ControlDone::event_queue));
    // What the processor wrote there last leaves its cache now: later it would overwrite what the unit records.
    memory::publish(hardware_.features().coherency, ring_, memory::frame_bytes << ring_order);
    registers.write(base());
    registers.write(EventTail::position(0));
    registers.write(EventHead::position(0));
    head_ = 0;
    overflow_seen_ = false;
    (void)take_write_error();
    return hardware_.enable(Control::event_queue, ControlDone::event_queue);
}

Event EventQueue::read(std::uint32_t position) const {
    return event_at(ring_ + event_words * (position % (1u << entries_log2_)), hardware_.features().coherency);
}

// The ring must be one that this service made: elsewhere nothing is read.
void EventQueue::keep_earlier(const memory::Arena& arena) noexcept {
    const hw::Registers& registers = hardware_.registers();
    const auto base = registers.read<EventQueueBase>();
    const auto head = registers.read<EventHead>();
    const auto tail = registers.read<EventTail>();
    const PhysAddr at{base.in_place(EventQueueBase::address)};
    const auto log2 = unsigned(base[EventQueueBase::entries_log2]);
    std::uint64_t* const ring = arena.words_at(at);
    if (ring == nullptr || log2 > memory::frame_log2 + ring_order - event_log2) return;
    if (!arena.range().contains(at + ((std::uint64_t{1} << (log2 + event_log2)) - 1))) return;
    std::atomic_thread_fence(std::memory_order_acquire);
    const auto first = std::uint32_t(head[EventHead::position]);
    const std::uint32_t waiting = (std::uint32_t(tail[EventTail::position]) - first) % (2u << log2);
    if (waiting > 1u << log2) return;
    for (std::uint32_t i = waiting; i-- > 0;)
        earlier_.push_back(event_at(ring + event_words * ((first + i) % (1u << log2)), hardware_.features().coherency));
    if (tail.has(EventTail::overflow) != head.has(EventHead::overflow_seen)) ++earlier_lost_;
    if (take_write_error()) ++earlier_lost_;
}

// Nothing is recorded between the two.
Result<void> EventQueue::start_after(const memory::Arena& arena) noexcept {
    SMMU_CHECK(hardware_.disable(Control::event_queue, ControlDone::event_queue));
    keep_earlier(arena);
    return start();
}

Drained EventQueue::drain_earlier(RefusalSink& sink) noexcept {
    Drained drained{.seen = 0, .lost = std::exchange(earlier_lost_, 0), .more = true};
    for (std::uint64_t taken = 0; !earlier_.empty() && taken < records_per_call; ++taken) {
        if (const auto refusal = refusal_of(earlier_.back())) {
            sink.refused(*refusal);
            ++drained.seen;
        }
        earlier_.pop_back();
    }
    return drained;
}

// Records that could not be written. True when there were any since the last look.
bool EventQueue::take_write_error() {
    const hw::Registers& registers = hardware_.registers();
    const auto seen = registers.read<ErrorsSeen>();
    if (registers.read<Errors>().has(Errors::event_write) == seen.has(ErrorsSeen::event_write)) return false;
    registers.write(hw::Bits<ErrorsSeen>(seen.raw() ^ ErrorsSeen::event_write(1).raw()));
    return true;
}

Drained EventQueue::drain(RefusalSink& sink) noexcept {
    if (!earlier_.empty() || earlier_lost_ != 0) return drain_earlier(sink);
    const hw::Registers& registers = hardware_.registers();
    const auto tail = registers.read<EventTail>();
    if (tail.raw() == ~std::uint32_t{0}) return {};
    std::atomic_thread_fence(std::memory_order_acquire);
    const auto end = std::uint32_t(tail[EventTail::position]) % positions();
    const bool overflown = tail.has(EventTail::overflow) != overflow_seen_;
    if (end == head_ && !overflown) return {.seen = 0, .lost = take_write_error() ? 1u : 0u, .more = false};

    Drained drained;
    for (std::uint64_t taken = 0; head_ != end && taken < records_per_call; ++taken) {
        if (const auto refusal = refusal_of(read(head_))) {
            sink.refused(*refusal);
            ++drained.seen;
        }
        head_ = (head_ + 1) % positions();
    }
    drained.more = head_ != end;
    if (overflown && !drained.more) {
        overflow_seen_ = !overflow_seen_;
        drained.lost = 1;
    }
    registers.write(EventHead::position.of(head_) | EventHead::overflow_seen.of(overflow_seen_ ? 1 : 0));
    if (take_write_error()) ++drained.lost;
    return drained;
}

}  // namespace smmu::units::smmuv3

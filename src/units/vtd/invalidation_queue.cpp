// SPDX-License-Identifier: Apache-2.0
#include "units/vtd/invalidation_queue.hpp"

#include <algorithm>
#include <atomic>

#include "memory/coherency.hpp"

namespace smmu::units::vtd {
namespace {

// Descriptors of the queue, as words in memory. A "register" of the field types is any 64-bit word.
struct DescriptorLow : Register<std::uint64_t, 0> {
    static constexpr Field<DescriptorLow> type{"type", 3, 0};
    static constexpr Field<DescriptorLow> granularity{"G", 5, 4};
    static constexpr Field<DescriptorLow> drain_writes{"DW", 6};
    static constexpr Field<DescriptorLow> drain_reads{"DR", 7};
    static constexpr Field<DescriptorLow> domain{"DID", 31, 16};
    static constexpr Field<DescriptorLow> source{"SID", 47, 32};
    static constexpr auto fields =
        hw::list(type, granularity, drain_writes, drain_reads, domain, source);
};
struct PagesHigh : Register<std::uint64_t, 8> {
    static constexpr Field<PagesHigh> address{"ADDR", 63, 12};
    static constexpr Field<PagesHigh> leaf_only{"IH", 6};
    static constexpr Field<PagesHigh> address_mask{"AM", 5, 0};
    static constexpr auto fields = hw::list(address, leaf_only, address_mask);
};
struct WaitLow : Register<std::uint64_t, 0> {
    static constexpr Field<WaitLow> type{"type", 3, 0};
    static constexpr Field<WaitLow> write_status{"SW", 5};
    static constexpr Field<WaitLow> fence{"FN", 6};
    static constexpr Field<WaitLow> data{"data", 63, 32};
    static constexpr auto fields = hw::list(type, write_status, fence, data);
};
static_assert(hw::is_sound<DescriptorLow>() && hw::is_sound<PagesHigh>() &&
              hw::is_sound<WaitLow>());

constexpr std::uint64_t type_context = 1, type_translations = 2, type_wait = 5;
enum Granularity : std::uint64_t { global = 1, of_domain = 2, exact = 3 };

// So many requests at once leave room in the ring for a wait after each.
constexpr std::size_t largest_batch = 64;
static_assert(2 * largest_batch + 1 < InvalidationQueue::slots);
// A batch that meets queue errors is put in again so often.
constexpr int largest_attempts = 3;
// Looks at memory between two looks at the fault register.
constexpr unsigned looks_per_register_read = 32;
// The status frame: the word waits report to, and one for descriptors that replace an offender.
constexpr std::size_t status_word = 0;
constexpr std::size_t scrap_word = 8;

hw::Entry16 descriptor_for(const Invalidate& request, const Features& features) {
    using What = Invalidate::What;
    const auto domain = DescriptorLow::domain.of(request.domain);
    const auto contexts = DescriptorLow::type(type_context);
    const auto translations = DescriptorLow::type(type_translations) |
                              DescriptorLow::drain_reads.of(features.drains_reads ? 1 : 0) |
                              DescriptorLow::drain_writes.of(features.drains_writes ? 1 : 0);
    switch (request.what) {
        case What::all_contexts:
            return {(contexts | DescriptorLow::granularity(global)).raw(), 0};
        case What::contexts_of_domain:
            return {(contexts | DescriptorLow::granularity(of_domain) | domain).raw(), 0};
        case What::context_of_source:
            return {(contexts | DescriptorLow::granularity(exact) | domain |
                     DescriptorLow::source.of(request.source))
                        .raw(),
                    0};
        case What::all_translations:
            return {(translations | DescriptorLow::granularity(global)).raw(), 0};
        case What::translations_of_domain:
            return {(translations | DescriptorLow::granularity(of_domain) | domain).raw(), 0};
        case What::pages:
            break;
    }
    return {(translations | DescriptorLow::granularity(exact) | domain).raw(),
            (PagesHigh::address.of_address(request.address.value) |
             PagesHigh::leaf_only.of(request.leaf_only ? 1 : 0) |
             PagesHigh::address_mask.of(request.address_mask))
                .raw()};
}

// A wait reports by writing memory (SW). It must not ask for an interrupt too: polling is all that
// is used here.
hw::Entry16 wait_for(PhysAddr status, std::uint32_t data, bool fence) {
    return {(WaitLow::type(type_wait) | WaitLow::write_status(1) |
             WaitLow::fence.of(fence ? 1 : 0) | WaitLow::data.of(data))
                .raw(),
            status.value};
}

}  // namespace

bool InvalidationQueue::is_empty() const {
    const hw::Registers& registers = hardware_.registers();
    return registers.read<QueueHead>()[QueueHead::index] ==
           registers.read<QueueTail>()[QueueTail::index];
}

bool InvalidationQueue::is_on() const {
    const hw::Registers& registers = hardware_.registers();
    return registers.read<GlobalStatus>().has(GlobalStatus::queued_invalidation) &&
           registers.read<QueueAddress>().raw() == ring_at_.value;
}

Result<void> InvalidationQueue::start() noexcept {
    const hw::Registers& registers = hardware_.registers();
    tail_ = 0;
    dead_ = false;
    registers.write(QueueTail::index(0));
    registers.write(QueueAddress::address.of_address(ring_at_.value) | QueueAddress::wide(0) |
                    QueueAddress::size(0));
    return hardware_.enable(GlobalCommand::queued_invalidation, GlobalStatus::queued_invalidation);
}

Result<void> InvalidationQueue::resume() noexcept {
    if (!settle(hardware_.deadline())) {
        dead_ = true;
        return hardware_.not_confirmed("IQH (what an earlier instance had queued)");
    }
    tail_ = static_cast<std::uint32_t>(hardware_.registers().read<QueueTail>()[QueueTail::index]) %
            slots;
    dead_ = false;
    return {};
}

// Waits until nothing is queued, mending queue errors on the way. Every mend takes one descriptor
// out, so the ring's size bounds them.
bool InvalidationQueue::settle(const hw::Deadline& deadline) {
    for (std::uint32_t mended = 0; mended <= slots; ++mended) {
        bool broken = false;
        const bool ended = hw::wait_until(deadline, [&] {
            const auto faults = hardware_.registers().read<FaultStatus>();
            broken = faults.has(FaultStatus::queue_error) || faults.has(FaultStatus::queue_timeout);
            return broken || is_empty();
        });
        if (!ended) return false;
        if (!broken) return true;
        if (!recover()) return false;
    }
    return false;
}

// Puts a harmless wait in the place of the descriptor that stopped the queue, and lets the queue go
// on. False when the unit does not answer at all.
bool InvalidationQueue::recover() {
    const hw::Registers& registers = hardware_.registers();
    const auto faults = registers.read<FaultStatus>();
    if (faults.raw() == ~std::uint32_t{0}) return false;
    ++errors_;
    if (faults.has(FaultStatus::queue_error)) {
        const auto offender =
            static_cast<std::uint32_t>(registers.read<QueueHead>()[QueueHead::index]) % slots;
        hw::store(ring_ + 2 * offender,
                  wait_for(status_at_ + scrap_word * sizeof(std::uint64_t), 0, false));
        memory::publish(memory::Coherency::snooped, ring_ + 2 * offender, sizeof(hw::Entry16));
    }
    registers.write(hw::Bits<FaultStatus>(static_cast<std::uint32_t>(
        faults.in_place(FaultStatus::queue_error) | faults.in_place(FaultStatus::queue_timeout) |
        faults.in_place(FaultStatus::queue_completion))));
    // Some units fetch again only when the tail is written; a tail outside the ring is put right at
    // the same time.
    const auto tail =
        static_cast<std::uint32_t>(registers.read<QueueTail>()[QueueTail::index]) % slots;
    registers.write(QueueTail::index.of(tail));
    return true;
}

void InvalidationQueue::write_descriptor(hw::Entry16 descriptor) {
    hw::store(ring_ + 2 * tail_, descriptor);
    tail_ = (tail_ + 1) % slots;
    hardware_.count_command();
}

void InvalidationQueue::write_wait(bool fence) {
    if (++sequence_ == 0) sequence_ = 1;
    write_descriptor(wait_for(status_at_ + status_word * sizeof(std::uint64_t), sequence_, fence));
}

InvalidationQueue::Outcome InvalidationQueue::await(std::uint32_t sequence,
                                                    const hw::Deadline& deadline) {
    const std::atomic_ref<std::uint64_t> status(status_[status_word]);
    unsigned looks = 0;
    bool broken = false;
    const bool ended = hw::wait_until(deadline, [&] {
        if (static_cast<std::uint32_t>(status.load(std::memory_order_acquire)) == sequence)
            return true;
        if (++looks % looks_per_register_read != 0) return false;
        const auto faults = hardware_.registers().read<FaultStatus>();
        broken = faults.has(FaultStatus::queue_error) || faults.has(FaultStatus::queue_timeout);
        return broken;
    });
    if (!ended) return Outcome::silent;
    return broken ? Outcome::again : Outcome::done;
}

Result<void> InvalidationQueue::run_batch(std::span<const Invalidate> requests) {
    const hw::Deadline deadline = hardware_.deadline();
    for (int attempt = 0; attempt < largest_attempts; ++attempt) {
        for (std::size_t i = 0; i < requests.size(); ++i) {
            // Translations must not be forgotten before the contexts they were found through.
            if (i > 0 && requests[i - 1].concerns_contexts() && !requests[i].concerns_contexts())
                write_wait(true);
            write_descriptor(descriptor_for(requests[i], hardware_.features()));
        }
        write_wait(false);
        memory::publish(memory::Coherency::snooped, ring_, memory::frame_bytes);
        hardware_.registers().write(QueueTail::index.of(tail_));
        switch (await(sequence_, deadline)) {
            case Outcome::done:
                return {};
            case Outcome::silent:
                dead_ = true;
                return hardware_.not_confirmed("a wait descriptor");
            case Outcome::again:
                break;
        }
        // What was in the queue may have been dropped: mend it, then ask for all of it once more.
        if (!settle(deadline)) break;
    }
    dead_ = true;
    return hardware_.not_confirmed("a wait descriptor (the queue reports errors again and again)");
}

Result<void> InvalidationQueue::run(std::span<const Invalidate> requests) noexcept {
    if (dead_) return hardware_.not_confirmed("the invalidation queue");
    while (!requests.empty()) {
        const auto batch = requests.first(std::min(requests.size(), largest_batch));
        SMMU_CHECK(run_batch(batch));
        requests = requests.subspan(batch.size());
    }
    return {};
}

}  // namespace smmu::units::vtd

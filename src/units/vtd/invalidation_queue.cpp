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
// Of descriptors that name a PASID; always 0 here.
struct PasidLow : Register<std::uint64_t, 0> {
    static constexpr Field<PasidLow> type{"type", 3, 0};
    static constexpr Field<PasidLow> granularity{"G", 5, 4};
    static constexpr Field<PasidLow> domain{"DID", 31, 16};
    static constexpr Field<PasidLow> pasid{"PASID", 51, 32};
    static constexpr auto fields = hw::list(type, granularity, domain, pasid);
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
static_assert(hw::is_sound<DescriptorLow>() && hw::is_sound<PasidLow>() &&
              hw::is_sound<PagesHigh>() && hw::is_sound<WaitLow>());

constexpr std::uint64_t type_context = 1, type_translations = 2, type_wait = 5,
                        type_pasid_translations = 6, type_pasids = 7;
enum Granularity : std::uint64_t { global = 1, of_domain = 2, exact = 3 };
// PASID descriptors count otherwise.
enum PasidGranularity : std::uint64_t { pasids_of_domain = 0, one_pasid = 2, all_pasids = 3 };

constexpr std::uint32_t narrow_slots = memory::frame_bytes / 16;
constexpr std::uint32_t wide_slots = memory::frame_bytes / 32;
// So many requests at once leave room in the ring for a wait after each.
constexpr std::size_t largest_batch = 48;
static_assert(2 * largest_batch + 1 < wide_slots);
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
    // What the first stage translated is tagged by PASID too, and forgotten by it. This always drains.
    const bool first_stage = features.walk.stage == Stage::first;
    const auto of_pasid = PasidLow::type(type_pasid_translations) |
                          PasidLow::domain.of(request.domain) | PasidLow::pasid(0);
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
        case What::all_pasids:
            return {(PasidLow::type(type_pasids) | PasidLow::granularity(all_pasids)).raw(), 0};
        case What::pasids_of_domain:
            return {(PasidLow::type(type_pasids) | PasidLow::granularity(pasids_of_domain) |
                     PasidLow::domain.of(request.domain))
                        .raw(),
                    0};
        case What::translations_of_domain:
            if (first_stage)
                return {(of_pasid | PasidLow::granularity(one_pasid)).raw(), 0};
            return {(translations | DescriptorLow::granularity(of_domain) | domain).raw(), 0};
        case What::pages:
            break;
    }
    const std::uint64_t low =
        first_stage ? (of_pasid | PasidLow::granularity(exact)).raw()
                    : (translations | DescriptorLow::granularity(exact) | domain).raw();
    return {low, (PagesHigh::address.of_address(request.address.value) |
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

hw::Bits<QueueAddress> InvalidationQueue::address_of(PhysAddr ring, const Features& features) {
    const bool wide = features.walk.mode == TableMode::scalable;
    return QueueAddress::address.of_address(ring.value) | QueueAddress::wide.of(wide ? 1 : 0) |
           QueueAddress::size(0);
}

std::uint32_t InvalidationQueue::units_per_slot() const {
    return address().has(QueueAddress::wide) ? 2 : 1;
}
std::uint32_t InvalidationQueue::slots() const {
    return address().has(QueueAddress::wide) ? wide_slots : narrow_slots;
}

template <class Pointer>
std::uint32_t InvalidationQueue::slot_in() const {
    const auto index = hardware_.registers().read<Pointer>()[Pointer::index];
    return static_cast<std::uint32_t>(index / units_per_slot()) % slots();
}
void InvalidationQueue::move_tail(std::uint32_t slot) const {
    hardware_.registers().write(QueueTail::index.of(slot * units_per_slot()));
}

// Wide descriptors are narrow ones and zeros.
void InvalidationQueue::put(std::uint32_t slot, hw::Entry16 descriptor) {
    std::uint64_t* const place = ring_ + std::size_t{2} * units_per_slot() * slot;
    if (units_per_slot() == 2) hw::store(place + 2, {});
    hw::store(place, descriptor);
}

bool InvalidationQueue::is_empty() const {
    const hw::Registers& registers = hardware_.registers();
    return registers.read<QueueHead>()[QueueHead::index] ==
           registers.read<QueueTail>()[QueueTail::index];
}

bool InvalidationQueue::is_on() const {
    const hw::Registers& registers = hardware_.registers();
    return registers.read<GlobalStatus>().has(GlobalStatus::queued_invalidation) &&
           registers.read<QueueAddress>() == address();
}

Result<void> InvalidationQueue::start() noexcept {
    const hw::Registers& registers = hardware_.registers();
    tail_ = 0;
    dead_ = false;
    registers.write(QueueTail::index(0));
    registers.write(address());
    return hardware_.enable(GlobalCommand::queued_invalidation, GlobalStatus::queued_invalidation);
}

Result<void> InvalidationQueue::resume() noexcept {
    if (!settle(hardware_.deadline())) {
        dead_ = true;
        return hardware_.not_confirmed("IQH (what an earlier instance had queued)");
    }
    tail_ = slot_in<QueueTail>();
    dead_ = false;
    return {};
}

// Waits until nothing is queued, mending queue errors on the way. Every mend takes one descriptor
// out, so the ring's size bounds them.
bool InvalidationQueue::settle(const hw::Deadline& deadline) {
    for (std::uint32_t mended = 0; mended <= slots(); ++mended) {
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
        put(slot_in<QueueHead>(),
            wait_for(status_at_ + scrap_word * sizeof(std::uint64_t), 0, false));
        memory::publish(memory::Coherency::snooped, ring_, memory::frame_bytes);
    }
    registers.write(hw::Bits<FaultStatus>(static_cast<std::uint32_t>(
        faults.in_place(FaultStatus::queue_error) | faults.in_place(FaultStatus::queue_timeout) |
        faults.in_place(FaultStatus::queue_completion))));
    // Some units fetch again only when the tail is written; a tail outside the ring is put right at
    // the same time.
    move_tail(slot_in<QueueTail>());
    return true;
}

void InvalidationQueue::write_descriptor(hw::Entry16 descriptor) {
    put(tail_, descriptor);
    tail_ = (tail_ + 1) % slots();
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

void InvalidationQueue::write_requests(std::span<const Invalidate> requests) {
    const bool has_pasids = hardware_.mode() == TableMode::scalable;
    std::optional<Invalidate::Cache> last;
    for (const Invalidate& request : requests) {
        const Invalidate::Cache cache = request.cache();
        if (cache == Invalidate::Cache::pasids && !has_pasids) continue;
        // Nothing must be forgotten before what it was found through: it could be found again.
        if (last && cache > *last) write_wait(true);
        write_descriptor(descriptor_for(request, hardware_.features()));
        last = cache;
    }
}

Result<void> InvalidationQueue::run_batch(std::span<const Invalidate> requests) {
    const hw::Deadline deadline = hardware_.deadline();
    for (int attempt = 0; attempt < largest_attempts; ++attempt) {
        write_requests(requests);
        write_wait(false);
        memory::publish(memory::Coherency::snooped, ring_, memory::frame_bytes);
        move_tail(tail_);
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

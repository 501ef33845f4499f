// SPDX-License-Identifier: Apache-2.0
// Take-over: from whatever state the unit was found in to containing. Every frame is taken before
// the first register is written; translation is never turned off.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "units/vtd/unit.hpp"

namespace smmu::units::vtd {

// VT-d keeps no sign of whose foreign tables are or whether they pass everything: both are replaced
// the same way.
Found VtdUnit::look() const {
    if (!hardware_.registers().read<GlobalStatus>().has(GlobalStatus::translation))
        return Found::off;
    if (tables_) return Found::foreign;
    // Tables that name an id which may be a new space's by now cannot be taken over in place.
    const auto predecessor =
        find_predecessor(hardware_.registers(), hardware_.features(), arena_);
    const bool own =
        predecessor && std::ranges::all_of(predecessor->domains, [&](std::uint16_t domain) {
            return domains_.is_reserved(domain);
        });
    return own ? Found::own : Found::foreign;
}

Result<VtdUnit::Wanted> VtdUnit::wanted_entries(std::span<const Assignment> assignments) const {
    Wanted wanted;
    for (const Assignment& assignment : assignments) {
        const auto stream = raw(assignment.stream);
        if (stream >= stream_count)
            return fail(EINVAL,
                        fmt::format("{}: stream {:#x} is not a PCI requester id", name(), stream));
        const Member* const target =
            assignment.space != nullptr ? member(*assignment.space) : nullptr;
        if (assignment.space != nullptr && target == nullptr)
            return fail(EINVAL,
                        fmt::format("{}: stream {:#x}: the address space belongs to another unit",
                                    name(), stream));
        const StreamEntry entry =
            target != nullptr ? translating(*target, Recording::on) : refusing();
        const auto [known, added] = wanted.emplace(assignment.stream, entry);
        if (!added && known->second != entry)
            return fail(EINVAL, fmt::format("{}: stream {:#x} is assigned twice, differently",
                                            name(), stream));
    }
    return wanted;
}

// A root table and every context table that a known stream needs; those that turn out to exist go
// back.
Result<void> VtdUnit::take_frames(const Wanted& wanted) {
    const ContextLayout layout(hardware_.features().walk.mode);
    std::set<std::size_t> contexts;
    for (const auto& [stream, entry] : wanted)
        if (!tables_ || !tables_->has_table(stream)) contexts.insert(layout.table_of(stream));
    SMMU_TRY(spare_, arena_.take_many(account_, contexts.size() + 1));
    return {};
}

void VtdUnit::give_spare_frames_back() noexcept {
    for (memory::Frame& frame : spare_) arena_.discard(std::move(frame));
    spare_.clear();
}

// What is not wanted, or wanted refusing, is not present any more; streams that are to have a space
// stay on what they have.
void VtdUnit::close_others(const Wanted& wanted) noexcept {
    tables_->visit([&](StreamId stream, const StreamEntry&) {
        const auto known = wanted.find(stream);
        if (known == wanted.end() || known->second == refusing()) tables_->store(stream, {});
    });
}

// Each stream goes to its new tables by one store. Context tables are made of the spare frames.
void VtdUnit::open_wanted(const Wanted& wanted) noexcept {
    for (const auto& [stream, entry] : wanted) {
        if (!tables_->has_table(stream)) {
            SMMU_ASSERT(!spare_.empty());
            tables_->add_table(stream, std::move(spare_.back()));
            spare_.pop_back();
        }
        if (tables_->entry(stream) != entry) tables_->store(stream, entry);
    }
    tables_->publish_all();
}

// For tables that the unit does not look at.
void VtdUnit::fill(const Wanted& wanted) noexcept {
    close_others(wanted);
    open_wanted(wanted);
}

// The queue of somebody else, whose memory may be out of reach: let it run empty, then turn it off.
// One that an error stopped never runs empty; what is left in it need not be done, as everything is
// forgotten later.
Result<void> VtdUnit::stop_other_queue() noexcept {
    const hw::Registers& registers = hardware_.registers();
    if (!registers.read<GlobalStatus>().has(GlobalStatus::queued_invalidation)) return {};
    const bool still = hw::wait_until(hardware_.deadline(), [&] {
        const auto faults = registers.read<FaultStatus>();
        return faults.has(FaultStatus::queue_error) || faults.has(FaultStatus::queue_timeout) ||
               registers.read<QueueHead>()[QueueHead::index] ==
                   registers.read<QueueTail>()[QueueTail::index];
    });
    const auto faults = registers.read<FaultStatus>();
    if (faults.has(FaultStatus::queue_error) || faults.has(FaultStatus::queue_timeout)) {
        registers.write(QueueTail::index.of(registers.read<QueueHead>()[QueueHead::index]));
        registers.write(FaultStatus::queue_error(1) | FaultStatus::queue_timeout(1));
    }
    // One of this instance that was given up may never answer; everything refuses since.
    const bool given_up = queue_ && queue_->is_dead();
    if ((still || given_up) &&
        hardware_.disable(GlobalCommand::queued_invalidation, GlobalStatus::queued_invalidation))
        return {};
    return fail(
        EBUSY,
        fmt::format(
            "{}: the invalidation queue that somebody else left running ({} {:#x}, {} {:#x}) "
            "cannot be turned off; stop its owner in order, or reset the machine",
            name(), QueueHead::name, registers.read<QueueHead>().raw(), QueueTail::name,
            registers.read<QueueTail>().raw()));
}

// From here on caches can be made to forget. An own queue that is running goes on in place.
Result<void> VtdUnit::start_invalidation(Queue queue) noexcept {
    if (queue == Queue::none) {
        caches_.attach_to(register_invalidation_);
        return {};
    }
    queue_.emplace(hardware_, frames_.queue_ring, frames_.queue_status, wait_sequence_);
    SMMU_CHECK(queue == Queue::continued ? queue_->resume() : queue_->start());
    caches_.attach_to(*queue_);
    return {};
}

// After a new root table: some units have forgotten everything by themselves.
Result<void> VtdUnit::forget_all_unless_root_did() noexcept {
    if (hardware_.features().root_invalidates) return {};
    return caches_.forget_everything();
}

Result<void> VtdUnit::enable_from_off(const Wanted& wanted) noexcept {
    fill(wanted);
    SMMU_CHECK(hardware_.flush_write_buffer());
    SMMU_CHECK(hardware_.set_root(tables_->root(), hardware_.features().walk.mode));
    SMMU_CHECK(forget_all_unless_root_did());
    return hardware_.enable(GlobalCommand::translation, GlobalStatus::translation);
}

// Everything refuses while the old tables are forgotten; then the new ones, complete, take their
// place.
Result<void> VtdUnit::replace_foreign(const Wanted& wanted, std::optional<Queue> late,
                                      Nanoseconds& pause) noexcept {
    const Instant closed = hardware_.clock().now();
    SMMU_CHECK(hardware_.flush_write_buffer());
    SMMU_CHECK(hardware_.set_root(frames_.empty_root.address(), hardware_.features().walk.mode));
    if (late) SMMU_CHECK(start_invalidation(*late));
    SMMU_CHECK(forget_all_unless_root_did());
    fill(wanted);
    SMMU_CHECK(hardware_.flush_write_buffer());
    SMMU_CHECK(hardware_.set_root(tables_->root(), hardware_.features().walk.mode));
    SMMU_CHECK(forget_all_unless_root_did());
    pause = hardware_.clock().now() - closed;
    return {};
}

// In two halves. Wherever the predecessor was killed, caches may hold ids that no entry names any
// more, and another root than the one the register names may be latched. So nothing appears under a
// new id before everything was forgotten and this root latched: caches can hold only ids that these
// tables name then, and those are reserved. Streams that keep a space go on under the old id
// meanwhile and are never refused.
Result<void> VtdUnit::adopt_in_place(const Wanted& wanted) noexcept {
    close_others(wanted);
    SMMU_CHECK(hardware_.flush_write_buffer());
    SMMU_CHECK(hardware_.set_root(tables_->root(), hardware_.features().walk.mode));
    SMMU_CHECK(caches_.forget_everything());
    open_wanted(wanted);
    SMMU_CHECK(hardware_.flush_write_buffer());
    return caches_.forget_everything();
}

// Nothing of anybody before is cached any more.
Result<void> VtdUnit::finish_take_over() noexcept {
    domains_.forget_predecessors();
    interrupts_ = interrupts_now();
    SMMU_CHECK(hardware_.unprotect_memory());
    if (leftover_.empty()) return {};
    memory::Gather gathered;
    gathered.cover_everything();
    for (memory::Frame& frame : leftover_) gathered.retire(std::move(frame));
    leftover_.clear();
    SMMU_TRY(memory::Flushed flushed, caches_.flush(std::move(gathered), arena_));
    arena_.reclaim(std::move(flushed));
    return {};
}

// Decides how caches will be made to forget. On error the unit is as it was found.
Result<VtdUnit::Queue> VtdUnit::prepare_queue() noexcept {
    const hw::Registers& registers = hardware_.registers();
    if (!hardware_.features().queued) return Queue::none;
    if (queue_ && queue_->is_on() && !queue_->is_dead()) return Queue::continued;
    if (registers.read<GlobalStatus>().has(GlobalStatus::queued_invalidation) &&
        has_own_queue(hardware_, arena_)) {
        const PhysAddr ring{registers.read<QueueAddress>().in_place(QueueAddress::address)};
        if (auto adopted = arena_.adopt(ring, account_)) {
            arena_.discard(std::exchange(frames_.queue_ring, {}));
            frames_.queue_ring = *std::move(adopted);
            return Queue::continued;
        }
    }
    SMMU_CHECK(stop_other_queue());
    queue_.reset();
    return Queue::stopped;
}

// The tables that streams will be found in: the predecessor's in place, those of this instance, or
// new ones.
Found VtdUnit::prepare_tables(Found found) noexcept {
    if (found == Found::own) {
        const PhysAddr root{hardware_.registers().read<RootTable>().in_place(RootTable::address)};
        auto adopted =
            ContextTables::adopt(root, hardware_.features(), arena_, account_, leftover_);
        if (adopted)
            tables_.emplace(*std::move(adopted));
        else
            found = Found::foreign;
    }
    if (!tables_) {
        tables_.emplace(std::move(spare_.back()), hardware_.features(), arena_);
        spare_.pop_back();
    }
    return found;
}

// The part that writes registers.
Result<void> VtdUnit::carry_out(const Wanted& wanted, Queue queue, TableMode mode,
                                TakeOver& result) noexcept {
    hardware_.mask_events();
    if (result.found != Found::own) fault_log_.discard();
    // The width of descriptors goes with the mode: where that changes the queue works after the new
    // root.
    std::optional<Queue> late;
    if (result.found == Found::foreign && mode != hardware_.features().walk.mode)
        late = queue;
    else
        SMMU_CHECK(start_invalidation(queue));
    switch (result.found) {
        case Found::off:
            SMMU_CHECK(enable_from_off(wanted));
            break;
        case Found::own:
            SMMU_CHECK(adopt_in_place(wanted));
            break;
        case Found::pass_through:
        case Found::foreign:
            SMMU_CHECK(replace_foreign(wanted, late, result.pause));
            break;
    }
    return finish_take_over();
}

Result<void> VtdUnit::check_mode_can_be_had(Found found) const {
    const TableMode mode = hardware_.mode(), wanted = hardware_.features().walk.mode;
    if (found == Found::off || mode == wanted || hardware_.features().root_invalidates) return {};
    return fail(
        ENOTSUP,
        fmt::format("{}: it translates in mode {} and cannot change to mode {} while translating "
                    "(no ESRTPS); turn the other owner off first. The unit was left as found",
                    name(), unsigned(mode), unsigned(wanted)));
}

Result<TakeOver> VtdUnit::take_over(std::span<const Assignment> assignments) {
    const Instant begun = hardware_.clock().now();
    const hw::Registers& registers = hardware_.registers();
    if (registers.read<GlobalStatus>().raw() == ~std::uint32_t{0})
        return fail(ENXIO, fmt::format("{}: nothing answers there any more", name()));
    SMMU_TRY(const Wanted wanted, wanted_entries(assignments));
    TakeOver result{.found = look(), .pause = {}, .took = {}};
    const TableMode mode = hardware_.mode();
    SMMU_CHECK(check_mode_can_be_had(result.found));
    SMMU_CHECK(take_frames(wanted));
    auto queue = prepare_queue();
    if (!queue) {
        give_spare_frames_back();
        return pass_on(std::move(queue));
    }
    // What was adopted stays with the hardware from here on, whatever happens.
    state_ = UnitState::containing;
    result.found = prepare_tables(result.found);
    auto done = carry_out(wanted, *queue, mode, result);
    give_spare_frames_back();
    found_ = result.found;
    if (!done) {
        if (state_ != UnitState::failed) hard_stop();
        return pass_on(std::move(done));
    }
    result.took = hardware_.clock().now() - begun;
    return result;
}

}  // namespace smmu::units::vtd

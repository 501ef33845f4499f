// SPDX-License-Identifier: Apache-2.0
// Hard stop: everything refuses, whatever state the unit and its queue are in. Recheck: whether it
// still does what it was told.
#include <fmt/format.h>

#include "units/vtd/unit.hpp"

namespace smmu::units::vtd {

void VtdUnit::hard_stop() noexcept {
    state_ = UnitState::failed;
    stop_confirmed_ = refuse_everything();
}

// An empty root table, then translation at once where somebody turned it off: nothing that has to be
// waited for comes before. Translation is never turned off. Protected memory, where there is any,
// needs no table.
bool VtdUnit::refuse_everything() noexcept {
    const Features& features = hardware_.features();
    const auto status = hardware_.registers().read<GlobalStatus>();
    if (status.raw() == ~std::uint32_t{0}) return false;
    const bool translating_now = status.has(GlobalStatus::translation);
    const TableMode mode = mode_of_stop(translating_now);
    bool confirmed = hardware_.set_root(frames_.empty_root.address(), mode).has_value();
    if (!translating_now)
        confirmed =
            hardware_.enable(GlobalCommand::translation, GlobalStatus::translation).has_value() &&
            confirmed;
    const bool all_protected = hardware_.protect_all_memory(capabilities_.output_bits);
    // Whether the mode that aborts everything was ever latched nobody can tell; in it the queue
    // takes no descriptors of this driver.
    if (confirmed && !features.root_invalidates)
        confirmed = mode != TableMode::abort && forget_after_stop();
    return confirmed || all_protected;
}

// The mode may change under translation only on some units. On those the one that aborts everything
// needs no table at all; elsewhere take-over could not leave it again. An empty root refuses in every
// mode.
TableMode VtdUnit::mode_of_stop(bool translating_now) const {
    const Features& features = hardware_.features();
    if (features.root_invalidates && features.aborts) return TableMode::abort;
    if (translating_now && !features.root_invalidates && hardware_.mode() != TableMode::reserved)
        return hardware_.mode();
    return features.walk.mode;
}

// The queue where it lives; else a fresh start of it; else registers, which work only while the
// queue is off.
bool VtdUnit::forget_after_stop() noexcept {
    if (!hardware_.features().queued) return register_invalidation_.run(everything).has_value();
    if (queue_ && queue_->is_on() && !queue_->is_dead() && queue_->run(everything)) return true;
    if (hardware_.registers().read<GlobalStatus>().has(GlobalStatus::queued_invalidation) &&
        !hardware_.disable(GlobalCommand::queued_invalidation, GlobalStatus::queued_invalidation))
        return false;
    queue_.emplace(hardware_, frames_.queue_ring, frames_.queue_status, wait_sequence_);
    return queue_->start() && queue_->run(everything);
}

VtdUnit::Interrupts VtdUnit::interrupts_now() const {
    if (!hardware_.features().interrupt_remapping) return {};
    const hw::Registers& registers = hardware_.registers();
    return {registers.read<GlobalStatus>().has(GlobalStatus::interrupt_remapping),
            registers.read<InterruptTable>().raw()};
}

Result<void> VtdUnit::recheck() noexcept {
    if (state_ != UnitState::containing) return stopped();
    const hw::Registers& registers = hardware_.registers();
    const auto differs = [&](const char* what, std::uint64_t wanted, std::uint64_t seen) {
        return fail(
            ESTALE,
            fmt::format(
                "{}: {} changed behind the service's back: {:#x} was written, {:#x} is there "
                "now; the unit must be stopped and taken over again, and whoever wrote it found",
                name(), what, wanted, seen));
    };
    const auto status = registers.read<GlobalStatus>();
    if (status.raw() == ~std::uint32_t{0}) return differs(GlobalStatus::name, 0, status.raw());
    if (!status.has(GlobalStatus::translation)) return differs("GSTS.TES", 1, 0);
    if (!status.has(GlobalStatus::root_set)) return differs("GSTS.RTPS", 1, 0);
    if (hardware_.features().queued && !status.has(GlobalStatus::queued_invalidation))
        return differs("GSTS.QIES", 1, 0);
    const auto root = registers.read<RootTable>();
    const auto latched = RootTable::address.of_address(tables_->root().value) |
                         RootTable::mode.of(std::uint64_t(hardware_.features().walk.mode));
    if (root != latched) return differs(RootTable::name, latched.raw(), root.raw());
    if (queue_) {
        const auto queue = registers.read<QueueAddress>();
        if (queue != queue_->address())
            return differs(QueueAddress::name, queue_->address().raw(), queue.raw());
    }
    // The queue is empty between two calls, so an error in it is of somebody else's making.
    const auto faults = registers.read<FaultStatus>();
    if (faults.has(FaultStatus::queue_error)) return differs("FSTS.IQE", 0, 1);
    if (faults.has(FaultStatus::queue_timeout)) return differs("FSTS.ITE", 0, 1);
    if (hardware_.features().has_protected_memory()) {
        const auto protection = registers.read<ProtectedEnable>();
        if (protection.has(ProtectedEnable::enable)) return differs("PMEN.EPM", 0, 1);
    }
    if (!registers.read<FaultEventControl>().has(FaultEventControl::masked))
        return differs("FECTL.IM", 1, 0);
    if (hardware_.features().queued &&
        !registers.read<QueueEventControl>().has(QueueEventControl::masked))
        return differs("IECTL.IM", 1, 0);
    const Interrupts interrupts = interrupts_now();
    if (interrupts.remapped != interrupts_.remapped)
        return differs("GSTS.IRES", interrupts_.remapped, interrupts.remapped);
    if (interrupts.table != interrupts_.table)
        return differs(InterruptTable::name, interrupts_.table, interrupts.table);
    return {};
}

}  // namespace smmu::units::vtd

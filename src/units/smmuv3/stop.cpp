// SPDX-License-Identifier: Apache-2.0
// Hard stop: everything refuses, whatever state the unit and its queues are in. Recheck: whether it still does what it was
// told. Turn off: the one act of this driver that opens; whoever asks for it has decided so.
#include <fmt/format.h>

#include "units/smmuv3/unit.hpp"

namespace smmu::units::smmuv3 {

void SmmuV3Unit::hard_stop() noexcept {
    state_ = UnitState::failed;
    stop_confirmed_ = refuse_everything();
}

// Off, with DMA of a unit that is off aborted: that comes first, or turning it off would open everything.
bool SmmuV3Unit::refuse_everything() noexcept {
    if (!hardware_.answers()) return false;
    if (!abort_when_off()) return false;
    return !hardware_.is_enabled() || hardware_.disable(Control::enabled, ControlDone::enabled).has_value();
}

Result<void> SmmuV3Unit::recheck() noexcept {
    if (state_ != UnitState::containing) return stopped();
    const hw::Registers& registers = hardware_.registers();
    const auto differs = [&](const char* what, std::uint64_t wanted, std::uint64_t seen) {
        return fail(ESTALE, fmt::format("{}: {} changed behind the service's back: {:#x} was written, {:#x} is there now; the unit "
                                        "must be stopped and taken over again, and whoever wrote it found", name(), what, wanted, seen));
    };
    const auto control = registers.read<ControlDone>();
    if (control.raw() == ~std::uint32_t{0}) return differs(ControlDone::name, 0, control.raw());
    if (!control.has(ControlDone::enabled)) return differs("CR0.SMMUEN", 1, 0);
    if (!control.has(ControlDone::command_queue)) return differs("CR0.CMDQEN", 1, 0);
    if (!control.has(ControlDone::event_queue)) return differs("CR0.EVENTQEN", 1, 0);
    if (features().device_caches && !control.has(ControlDone::checks_translated)) return differs("CR0.ATSCHK", 1, 0);
    const auto table = registers.read<StreamTableBase>().in_place(StreamTableBase::address);
    if (table != table_->root().value) return differs(StreamTableBase::name, table_->root().value, table);
    const auto shape = registers.read<StreamTableShape>();
    if (shape != table_->layout().shape()) return differs(StreamTableShape::name, table_->layout().shape().raw(), shape.raw());
    const auto commands = registers.read<CommandQueueBase>();
    if (commands != queue_.base()) return differs(CommandQueueBase::name, queue_.base().raw(), commands.raw());
    const auto events = registers.read<EventQueueBase>();
    if (events != events_.base()) return differs(EventQueueBase::name, events_.base().raw(), events.raw());
    if (!hardware_.aborts_when_off()) return differs("GBPA.ABORT", 1, 0);
    const auto errors = registers.read<Errors>().raw() ^ registers.read<ErrorsSeen>().raw();
    if (hw::Bits<Errors>(errors).has(Errors::service_failure)) return differs("GERROR.SFM_ERR", 0, 1);
    // The queue is empty between two calls, so an error in it is of somebody else's making.
    if (hw::Bits<Errors>(errors).has(Errors::command)) return differs("GERROR.CMDQ_ERR", 0, 1);
    return {};
}

Result<void> SmmuV3Unit::turn_off() noexcept {
    if (state_ != UnitState::containing) return stopped();
    const auto off = [&]() -> Result<void> {
        // Of a predecessor's unit nobody knows any more how it was found: it is opened, as was asked for.
        const auto found = found_bypass_->without(Bypass::update);
        SMMU_CHECK(hardware_.set_bypass(found_ == Found::own ? found.without(Bypass::abort) : found));
        SMMU_CHECK(hardware_.disable(Control::enabled, ControlDone::enabled));
        SMMU_CHECK(hardware_.disable(Control::event_queue, ControlDone::event_queue));
        return hardware_.disable(Control::command_queue, ControlDone::command_queue);
    };
    if (auto done = off(); !done) {
        hard_stop();
        return done;
    }
    caches_.detach();
    found_.reset();
    found_bypass_.reset();
    state_ = UnitState::untouched;
    return {};
}

}  // namespace smmu::units::smmuv3

// SPDX-License-Identifier: Apache-2.0
// Hard stop: everything refuses, whatever state the unit is in. Recheck: whether it still does what
// it was told. Turn off: the one act of this driver that opens; whoever asks for it has decided so.
#include <fmt/format.h>

#include "units/smmuv2/unit.hpp"

namespace smmu::units::smmuv2 {

void SmmuV2Unit::hard_stop() noexcept {
    state_ = UnitState::failed;
    stop_confirmed_ = refuse_everything();
}

// Banks stay on: one that is off would pass what still led to it. How ids are read stays as it was
// found.
bool SmmuV2Unit::refuse_everything() noexcept {
    if (!hardware_.answers()) return false;
    const bool closed = close_streams().has_value();
    const auto found = hardware_.read<Control>();
    const auto control = running_control(features(), false).without(Control::extended_ids) |
                         Control::extended_ids.of(found[Control::extended_ids]) |
                         Control::wide_vmids.of(found[Control::wide_vmids]);
    return set_control(control).has_value() && closed;
}

Result<void> SmmuV2Unit::recheck() noexcept {
    if (state_ != UnitState::containing) return stopped();
    const auto changed = [&](const std::string& what) {
        return fail(ESTALE,
                    fmt::format("{}: changed behind the service's back: {}; the unit must be "
                                "stopped and taken over again, and whoever wrote it found",
                                name(), what));
    };
    const auto control = hardware_.read<Control>();
    if (control.raw() == ~std::uint32_t{0} || vital_bits(control) != vital_bits(running()))
        return changed(fmt::format("{}: {:#x} was written, {:#x} is there now", Control::name,
                                   running().raw(), control.raw()));
    if (const auto differs = streams_.difference()) return changed(*differs);
    for (const Bank& bank : banks())
        if (read_bank(hardware_, bank.index) != bank)
            return changed(fmt::format(
                "context bank {}: tables at {:#x} were written; SCTLR {:#x}, TTBR0 {:#x}, TCR "
                "{:#x}, "
                "CBAR {:#x} are there now",
                bank.index, bank.root.value, hardware_.read_in<BankControl>(bank.index).raw(),
                hardware_.read_in<TableBase>(bank.index).raw(),
                hardware_.read_in<WalkStage2>(bank.index).raw(),
                hardware_.read_of<BankAttributes>(bank.index).raw()));
    return {};
}

// Everything passes first, so that nothing is refused by halves; then no tables are used any more.
Result<void> SmmuV2Unit::turn_off() noexcept {
    if (state_ != UnitState::containing) return stopped();
    auto done = set_control(running() | Control::clients_bypass(1));
    if (!done) {
        hard_stop();
        return done;
    }
    streams_.close_all();
    for (const Bank& bank : banks()) switch_off(hardware_, bank.index);
    SMMU_CHECK(caches_.forget_everything());
    caches_.detach();
    found_.reset();
    state_ = UnitState::untouched;
    return {};
}

}  // namespace smmu::units::smmuv2

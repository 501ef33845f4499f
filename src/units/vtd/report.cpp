// SPDX-License-Identifier: Apache-2.0
// Report: what the unit is and what its registers say, for a person.
#include <fmt/format.h>

#include "units/vtd/unit.hpp"

namespace smmu::units::vtd {
namespace {

using Lines = std::vector<std::pair<std::string, std::uint64_t>>;

// The register, then its fields.
template <class R>
void add(Lines& lines, const hw::Registers& registers, std::uint64_t base = 0) {
    const auto value = registers.read<R>(base);
    lines.emplace_back(R::name, value.raw());
    for (const hw::Field<R>& field : R::fields)
        lines.emplace_back(fmt::format("{}.{}", R::name, field.name), value[field]);
}

template <class... R>
void add_all(Lines& lines, const hw::Registers& registers) {
    (add<R>(lines, registers), ...);
}

}  // namespace

UnitReport VtdUnit::report() const {
    const Features& features = hardware_.features();
    const hw::Registers& registers = hardware_.registers();
    UnitReport report;
    report.kind = "vtd";
    report.version = fmt::format("{}.{}", features.major, features.minor);
    report.mode = fmt::format("{}, {}, {}-bit, {} levels, {}{}",
                              features.walk.mode == TableMode::scalable ? "scalable" : "legacy",
                              features.walk.stage == Stage::second
                                  ? "second stage"
                                  : "first stage (a write grant also reads)",
                              features.walk.input_bits, features.walk.levels,
                              features.queued ? "queued invalidation" : "register invalidation",
                              features.caches_absent ? ", caching mode" : "");
    if (state_ == UnitState::failed)
        report.mode += stop_confirmed_ ? "; stopped, everything refuses"
                                       : "; stopped, NOT confirmed by the hardware";
    report.state = state_;
    report.stop_confirmed = state_ != UnitState::failed || stop_confirmed_;
    report.found = found_.value_or(look());
    report.interrupts_remapped =
        registers.read<GlobalStatus>().has(GlobalStatus::interrupt_remapping);
    report.spaces = members_.size();
    // One id is for the known streams that are blocked.
    report.spaces_possible = domains_.capacity() - 1;
    report.commands = hardware_.commands();
    report.flushes = caches_.flushes();
    add_all<Version, Capability, ExtendedCapability, GlobalStatus, RootTable, FaultStatus,
            FaultEventControl>(report.registers, registers);
    if (features.queued)
        add_all<QueueHead, QueueTail, QueueAddress, QueueEventControl>(report.registers, registers);
    else
        add<ContextCommand>(report.registers, registers);
    if (features.interrupt_remapping) add<InterruptTable>(report.registers, registers);
    if (features.has_protected_memory()) {
        add<ProtectedEnable>(report.registers, registers);
        if (features.protected_low)
            add_all<ProtectedLowBase, ProtectedLowLimit>(report.registers, registers);
        if (features.protected_high)
            add_all<ProtectedHighBase, ProtectedHighLimit>(report.registers, registers);
    }
    if (queue_) report.registers.emplace_back("queue errors mended", queue_->errors());
    return report;
}

}  // namespace smmu::units::vtd

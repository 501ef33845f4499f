// SPDX-License-Identifier: Apache-2.0
// Report: what the unit is and what its registers say, for a person.
#include <fmt/format.h>

#include "units/smmuv3/unit.hpp"

namespace smmu::units::smmuv3 {
namespace {

using Lines = std::vector<std::pair<std::string, std::uint64_t>>;

// The register, then its fields.
template <class R>
void add(Lines& lines, const hw::Registers& registers) {
    const auto value = registers.read<R>();
    lines.emplace_back(R::name, value.raw());
    for (const auto& field : R::fields) lines.emplace_back(fmt::format("{}.{}", R::name, field.name), value[field]);
}

template <class... R>
void add_all(Lines& lines, const hw::Registers& registers) {
    (add<R>(lines, registers), ...);
}

}  // namespace

UnitReport SmmuV3Unit::report() const {
    UnitReport report;
    report.kind = "smmuv3";
    report.version = fmt::format("{}.{}", features().major, features().minor);
    report.mode = fmt::format("{}, {}-bit, {} levels of {} KiB, {}{}",
                              features().stage == Stage::second ? "stage 2" : "stage 1 (a write grant also reads)",
                              features().input_bits, features().levels, (std::uint64_t{1} << features().granule_log2) / 1024,
                              features().range_invalidation ? "range invalidation" : "page invalidation",
                              features().coherency == memory::Coherency::snooped ? "" : ", walks do not snoop");
    if (state_ == UnitState::failed)
        report.mode += stop_confirmed_ ? "; stopped, everything refuses" : "; stopped, NOT confirmed by the hardware";
    report.state = state_;
    report.stop_confirmed = state_ != UnitState::failed || stop_confirmed_;
    report.found = found_.value_or(look());
    // Messages of devices are writes like any other here: they go nowhere unless a doorbell was opened.
    report.interrupts_remapped = true;
    report.spaces = members_.size();
    // One tag is for the known streams that are blocked.
    report.spaces_possible = tags_.capacity() - 1;
    report.commands = queue_.commands() + queue_.syncs();
    report.flushes = caches_.flushes();
    add_all<Idr0, Idr1, Idr3, Idr5, Iidr, Aidr, Control, ControlDone, Control2, Bypass, Errors, ErrorsSeen, StreamTableBase,
            StreamTableShape, CommandQueueBase, CommandTail, CommandHead, EventQueueBase, EventTail, EventHead>(
        report.registers, hardware_.registers());
    report.registers.emplace_back("command errors mended", queue_.errors());
    return report;
}

}  // namespace smmu::units::smmuv3

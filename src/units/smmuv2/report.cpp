// SPDX-License-Identifier: Apache-2.0
// Report: what the unit is and what its registers say, for a person.
#include <fmt/format.h>

#include "units/smmuv2/unit.hpp"

namespace smmu::units::smmuv2 {
namespace {

using Lines = std::vector<std::pair<std::string, std::uint64_t>>;

// The register, then its fields.
template <class R>
void add(Lines& lines, hw::Bits<R> value) {
    lines.emplace_back(R::name, value.raw());
    for (const auto& field : R::fields)
        lines.emplace_back(fmt::format("{}.{}", R::name, field.name), value[field]);
}

template <class... R>
void add_all(Lines& lines, const Hardware& hardware) {
    (add<R>(lines, hardware.read<R>()), ...);
}

void add_bank(Lines& lines, const Hardware& hardware, unsigned bank) {
    const auto line = [&](const char* name, std::uint64_t value) {
        lines.emplace_back(fmt::format("bank {} {}", bank, name), value);
    };
    line(BankAttributes::name, hardware.read_of<BankAttributes>(bank).raw());
    line(BankControl::name, hardware.read_in<BankControl>(bank).raw());
    line(WalkStage2::name, hardware.read_in<WalkStage2>(bank).raw());
    line(TableBase::name, hardware.read_in<TableBase>(bank).raw());
    line(BankFault::name, hardware.read_in<BankFault>(bank).raw());
}

std::string matching_of(const Features& features) {
    if (!features.stream_matching) return fmt::format("{} indexed streams", features.groups);
    return fmt::format("{} match registers{}", features.groups,
                       features.extended_ids ? ", extended ids" : "");
}

}  // namespace

UnitReport SmmuV2Unit::report() const {
    UnitReport report;
    report.kind = "smmuv2";
    report.version = fmt::format("r{}p{}", features().major, features().minor);
    report.mode = fmt::format(
        "{}, {}-bit, {} levels, {}, {} context banks{}{}{}",
        features().stage == Stage::second ? "stage 2" : "stage 1 (a write grant also reads)",
        features().input_bits, features().levels, matching_of(features()), tags_.capacity(),
        features().coherency == memory::Coherency::snooped ? "" : ", walks do not snoop",
        unknown_pass_ ? ", unknown streams PASS" : "",
        prefetches_
            ? ", PREFETCHES (sACR.CACHE_LOCK is held by secure software): only whole address "
              "spaces are made forgotten"
            : "");
    if (state_ == UnitState::failed)
        report.mode += stop_confirmed_ ? "; stopped, everything refuses"
                                       : "; stopped, NOT confirmed by the hardware";
    report.state = state_;
    report.stop_confirmed = state_ != UnitState::failed || stop_confirmed_;
    report.found = found_.value_or(look());
    // Messages of devices are writes like any other here: they go nowhere unless a doorbell was
    // opened.
    report.interrupts_remapped = true;
    report.spaces = members_.size();
    report.spaces_possible = tags_.capacity() - (muted_ ? 1 : 0);
    report.commands = caches_.commands();
    report.flushes = caches_.flushes();
    add_all<Idr0, Idr1, Idr2, Idr7, Control, Auxiliary, GlobalFault>(report.registers, hardware_);
    report.registers.emplace_back("stream groups in use", streams_.in_use());
    for (const Bank& bank : banks()) add_bank(report.registers, hardware_, bank.index);
    return report;
}

}  // namespace smmu::units::smmuv2

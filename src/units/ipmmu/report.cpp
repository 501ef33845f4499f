// SPDX-License-Identifier: Apache-2.0
// Report: what the unit is and what its registers say, for a person.
#include <fmt/format.h>

#include "units/ipmmu/unit.hpp"

namespace smmu::units::ipmmu {
namespace {

using Lines = std::vector<std::pair<std::string, std::uint64_t>>;

template <class... R>
void add_context(Lines& lines, const MainUnit& main, unsigned context) {
    const std::uint64_t base = main.places().context(context);
    (lines.emplace_back(fmt::format("{}[{}]", R::name, context), main.registers().read<R>(base).raw()), ...);
}

std::string undescribed(const std::vector<CacheUnit>& caches) {
    std::string names;
    for (const CacheUnit& cache : caches)
        if (!cache.described()) names += (names.empty() ? "" : " ") + cache.name();
    return names.empty() ? std::string() : "; not in the description, and refused: " + names;
}

}  // namespace

UnitReport IpmmuUnit::report() const {
    UnitReport report;
    report.kind = "ipmmu";
    report.version = ipmmu::describe(hardware_.chip);
    const bool is_stage2 = main().format() == TableFormat::stage2;
    report.mode = fmt::format("{}-bit {}, {} contexts, one of them refuses, {} cache units, walks do not snoop{}",
                              capabilities_.input_bits, is_stage2 ? "stage 2" : "stage 1 (a write grant also reads)",
                              tags_.capacity(), hardware_.caches.size(), undescribed(hardware_.caches));
    if (state_ == UnitState::failed)
        report.mode += stop_confirmed_ ? "; stopped, everything refuses" : "; stopped, NOT confirmed by the hardware";
    report.state = state_;
    report.stop_confirmed = state_ != UnitState::failed || stop_confirmed_;
    report.found = found_ ? *found_ : look();
    // Messages of devices are writes like any other here: they go nowhere unless a doorbell was opened.
    report.interrupts_remapped = true;
    report.spaces = members_.size();
    report.spaces_possible = spaces_possible();
    report.flushes = caches_.flushes();
    const Places& places = main().places();
    report.registers.emplace_back(UnitControl::name, main().registers().read<UnitControl>(places.unit()).raw());
    report.registers.emplace_back(UnitAuxiliary::name, main().registers().read<UnitAuxiliary>(places.unit()).raw());
    // Where the fourth generation has it is not public.
    if (!places.is_fourth()) report.registers.emplace_back(Signals::name, main().registers().read<Signals>().raw());
    for (unsigned context = 1; context < places.contexts(); ++context)
        if (main().is_enabled(context))
            add_context<ContextControl, TableControl, RootLow, RootHigh, FaultStatus>(report.registers, main(), context);
    for (const CacheUnit& cache : hardware_.caches) {
        std::uint64_t real = 0;
        for (unsigned slot = 0; slot < cache.slots(); ++slot) real += cache.tied(slot) ? 1 : 0;
        report.registers.emplace_back(fmt::format("micro-TLBs of {}", cache.name()), real);
    }
    return report;
}

}  // namespace smmu::units::ipmmu

// SPDX-License-Identifier: Apache-2.0
// Take-over: from whatever state the unit was found in to containing. There is no switch that
// aborts everything: a unit refuses when no group matches and what is not matched faults. Every
// table is there before the first register is written.
#include <fmt/format.h>

#include <algorithm>

#include "units/smmuv2/unit.hpp"

namespace smmu::units::smmuv2 {

Found SmmuV2Unit::look() const {
    if (!hardware_.translates()) return Found::off;
    if (passes_everything(hardware_)) return Found::pass_through;
    if (found_) return Found::foreign;
    // Banks that a new space may have by now cannot be left to those who use them.
    const auto predecessor = find_predecessor(hardware_, arena_, unknown_pass_);
    const bool own = predecessor && std::ranges::all_of(predecessor->tags, [&](std::uint16_t tag) {
                         return tags_.is_reserved(tag);
                     });
    return own ? Found::own : Found::foreign;
}

Result<SmmuV2Unit::Wanted> SmmuV2Unit::wanted_streams(
    std::span<const Assignment> assignments) const {
    Wanted wanted;
    for (const Assignment& assignment : assignments) {
        const StreamId stream = assignment.stream;
        SMMU_CHECK(streams_.check(stream));
        std::optional<unsigned> bank;
        if (assignment.space != nullptr) {
            const Member* const target = member(*assignment.space);
            SMMU_CHECK(check_space(stream, target));
            bank = bank_of(target->tag, features());
        }
        const auto [known, added] = wanted.emplace(stream, bank);
        if (!added && known->second != bank)
            return fail(EINVAL, fmt::format("{}: stream {:#x} is assigned twice, differently",
                                            name(), raw(stream)));
    }
    // Nobody is given a device that has one of these; what the system itself reaches by it was assigned above.
    for (const StreamId stream : reserved_) {
        SMMU_CHECK(streams_.check(stream));
        wanted.emplace(stream, std::nullopt);
    }
    return wanted;
}

// Before anything is touched: the streams that need a group of their own have one.
Result<void> SmmuV2Unit::check_room(const Wanted& wanted) const {
    const auto needed = std::ranges::count_if(
        wanted, [&](const auto& known) { return unknown_pass_ || known.second; });
    if (!features().stream_matching || needed <= features().groups) return {};
    return fail(
        ENOSPC,
        fmt::format("{}: {} streams need a stream match register each, and the unit has {}; "
                    "configure fewer of them{}",
                    name(), needed, features().groups,
                    unknown_pass_ ? ", or let unknown streams refuse" : ""));
}

Result<void> SmmuV2Unit::set_control(hw::Bits<Control> control) noexcept {
    hardware_.write(control);
    const auto seen = hardware_.read<Control>();
    if (vital_bits(seen) == vital_bits(control)) return {};
    return fail(EIO,
                fmt::format("{}: {} holds {:#x} after {:#x} was written; the unit cannot be made "
                            "to refuse",
                            name(), Control::name, seen.raw(), control.raw()));
}

// What no group matches refuses first, then no group matches anything.
Result<void> SmmuV2Unit::close_streams() noexcept {
    const auto found = hardware_.read<Control>();
    if (!found.has(Control::clients_bypass)) {
        // How ids are read stays as it is while groups are valid.
        const auto closed = running_control(features(), false).without(Control::extended_ids);
        hardware_.write(closed | Control::extended_ids.of(found[Control::extended_ids]) |
                        Control::wide_vmids.of(found[Control::wide_vmids]));
    }
    streams_.close_all();
    return streams_.confirm();
}

// No stream leads to a bank: what is under way in one ends first, then all are switched off, and nothing of before is
// remembered.
Result<void> SmmuV2Unit::clean_up() noexcept {
    caches_.attach(false);
    SMMU_CHECK(caches_.forget_everything());
    for (unsigned bank = 0; bank < features().banks; ++bank) switch_off(hardware_, bank);
    prefetches_ = !stop_prefetching(hardware_);
    caches_.attach(!prefetches_);
    hardware_.write(hw::Bits<GlobalFault>(~std::uint32_t{0}));
    return caches_.forget_everything();
}

Result<void> SmmuV2Unit::open(const Wanted& wanted) noexcept {
    for (const Bank& bank : banks()) SMMU_CHECK(switch_on(hardware_, bank));
    for (const auto& [stream, bank] : wanted) {
        if (bank) {
            SMMU_CHECK(streams_.point(stream, Target::to(*bank)));
            streams_.pin(stream);
        } else {
            SMMU_CHECK(refuse(stream));
        }
    }
    if (unknown_pass_) streams_.let_unknown_pass();
    return {};
}

// A unit that is off and carries what must go on is switched on in one step, when all is there. Any
// other refuses at once.
Result<void> SmmuV2Unit::set_up(const Wanted& wanted, TakeOver& result) noexcept {
    const auto closed = running_control(features(), false);
    const bool goes_on =
        result.found == Found::off &&
        std::ranges::any_of(wanted, [](const auto& known) { return known.second.has_value(); });
    const Instant begun = hardware_.clock().now();
    SMMU_CHECK(close_streams());
    SMMU_CHECK(set_control(goes_on ? closed | Control::clients_bypass(1) : closed));
    SMMU_CHECK(hardware_.wait_for_syncs());
    SMMU_CHECK(clean_up());
    SMMU_CHECK(streams_.measure());
    for (const auto& [stream, bank] : wanted) SMMU_CHECK(streams_.check(stream));
    SMMU_CHECK(open(wanted));
    SMMU_CHECK(streams_.confirm());
    if (result.found != Found::off) result.pause = hardware_.clock().now() - begun;
    return set_control(running());
}

// Each stream that keeps a space goes from the predecessor's bank to its new one by one store, and
// is never refused. In between every stream leads to tables that were granted to it, by the
// predecessor or now.
Result<void> SmmuV2Unit::adopt(const Wanted& wanted) noexcept {
    const auto predecessor = find_predecessor(hardware_, arena_, unknown_pass_);
    if (!predecessor)
        return fail(EIO, fmt::format("{}: its registers change while it is taken over", name()));
    streams_.adopt(predecessor->groups);
    for (const StreamId stream : streams_.present()) {
        const auto known = wanted.find(stream);
        if (known == wanted.end())
            streams_.close(stream);
        else if (!known->second)
            SMMU_CHECK(refuse(stream));
    }
    SMMU_CHECK(hardware_.wait_for_syncs());
    prefetches_ = !stop_prefetching(hardware_);
    caches_.attach(!prefetches_);
    // A bank that the predecessor was about to retire is off, and its tag may still be cached.
    SMMU_CHECK(caches_.forget_everything());
    SMMU_CHECK(open(wanted));
    // A bank that is off passes everything: DMA that met the old one is over first.
    SMMU_CHECK(caches_.forget_everything());
    for (const std::uint16_t tag : predecessor->tags)
        switch_off(hardware_, bank_of(tag, features()));
    SMMU_CHECK(caches_.forget_everything());
    return streams_.confirm();
}

Result<TakeOver> SmmuV2Unit::take_over(std::span<const Assignment> assignments) {
    const Instant begun = hardware_.clock().now();
    if (!hardware_.answers())
        return fail(ENXIO, fmt::format("{}: nothing answers there any more", name()));
    SMMU_TRY(const Wanted wanted, wanted_streams(assignments));
    SMMU_CHECK(check_room(wanted));
    TakeOver result{.found = look(), .pause = {}, .took = {}};
    state_ = UnitState::containing;
    muted_streams_.clear();
    last_words_.clear();
    found_ = result.found;
    auto done = result.found == Found::own ? adopt(wanted) : set_up(wanted, result);
    if (!done) {
        if (state_ != UnitState::failed) hard_stop();
        return pass_on(std::move(done));
    }
    tags_.forget_predecessors();
    result.took = hardware_.clock().now() - begun;
    return result;
}

}  // namespace smmu::units::smmuv2

// SPDX-License-Identifier: Apache-2.0
// Take-over: from whatever state the unit was found in to containing. Every frame is taken before the first register is
// written. The stream table of a unit that is on cannot be replaced (IHI 0070, 6.3.24): one that is not ours is left by
// turning the unit off, while DMA of a unit that is off is aborted.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "units/smmuv3/unit.hpp"

namespace smmu::units::smmuv3 {
namespace {

// Write-back and inner shareable everywhere; nothing where walks do not look into the CPU's caches.
hw::Bits<TableAttributes> attributes_of(const Features& features) {
    if (features.coherency == memory::Coherency::not_snooped) return {};
    return TableAttributes::table_shareability(3) | TableAttributes::table_outer(1) | TableAttributes::table_inner(1) |
           TableAttributes::queue_shareability(3) | TableAttributes::queue_outer(1) | TableAttributes::queue_inner(1);
}

}  // namespace

Found SmmuV3Unit::look() const {
    if (!hardware_.is_enabled()) return Found::off;
    if (table_) return Found::foreign;
    // Tables that name a tag which may be a new space's by now cannot be taken over in place.
    const auto predecessor = find_predecessor(hardware_.registers(), features(), arena_);
    const bool own = predecessor && std::ranges::all_of(predecessor->tags,
                                                        [&](std::uint16_t tag) { return tags_.is_reserved(tag); });
    return own ? Found::own : Found::foreign;
}

Result<SmmuV3Unit::Wanted> SmmuV3Unit::wanted_entries(std::span<const Assignment> assignments) const {
    Wanted wanted;
    for (const Assignment& assignment : assignments) {
        const auto stream = raw(assignment.stream);
        if (features().stream_bits < 32 && stream >> features().stream_bits != 0)
            return fail(EINVAL, fmt::format("{}: stream {:#x} has more than the {} bits of the unit", name(), stream,
                                            features().stream_bits));
        const Member* const target = assignment.space != nullptr ? member(*assignment.space) : nullptr;
        if (assignment.space != nullptr && target == nullptr)
            return fail(EINVAL, fmt::format("{}: stream {:#x}: the address space belongs to another unit", name(), stream));
        const StreamEntry entry = target != nullptr ? translating(*target, Recording::on) : refusing();
        const auto [known, added] = wanted.emplace(assignment.stream, entry);
        if (!added && known->second != entry)
            return fail(EINVAL, fmt::format("{}: stream {:#x} is assigned twice, differently", name(), stream));
    }
    return wanted;
}

// A root and every second-level table that a known stream needs; those that turn out to exist go back.
Result<void> SmmuV3Unit::take_spare_frames(const Wanted& wanted) {
    const std::uint32_t largest = wanted.empty() ? 0 : raw(wanted.rbegin()->first);
    const StreamTableLayout layout = StreamTableLayout::for_streams(largest, features());
    std::set<std::uint32_t> leaves;
    if (layout.two_level)
        for (const auto& [stream, entry] : wanted) leaves.insert(raw(stream) >> StreamTableLayout::split);
    std::vector<unsigned> orders(leaves.size(), StreamTableLayout::leaf_order());
    orders.push_back(layout.root_order());
    SMMU_TRY(spare_leaves_, take_frames(arena_, account_, orders));
    spare_root_ = std::move(spare_leaves_.back());
    spare_leaves_.pop_back();
    return {};
}

void SmmuV3Unit::give_spare_frames_back() noexcept {
    if (spare_root_) arena_.discard(std::exchange(spare_root_, {}));
    for (memory::Frame& frame : spare_leaves_) arena_.discard(std::move(frame));
    spare_leaves_.clear();
}

// The table that streams will be found in: the predecessor's in place, that of this instance, or a new one.
Found SmmuV3Unit::prepare_table(Found found, const Wanted& wanted) noexcept {
    const std::uint32_t largest = wanted.empty() ? 0 : raw(wanted.rbegin()->first);
    if (found == Found::own) {
        const auto predecessor = find_predecessor(hardware_.registers(), features(), arena_);
        if (predecessor && largest < predecessor->layout.streams()) {
            auto adopted =
                StreamTable::adopt(predecessor->root, predecessor->layout, features(), arena_, account_, leftover_);
            if (adopted) table_.emplace(*std::move(adopted));
        }
        if (!table_) found = Found::foreign;
    }
    if (table_ && largest >= table_->layout().streams()) {
        for (memory::Frame& frame : table_->release()) leftover_.push_back(std::move(frame));
        table_.reset();
    }
    if (!table_) {
        memory::publish(features().coherency, spare_root_.words(), spare_root_.word_count() * sizeof(std::uint64_t));
        table_.emplace(StreamTableLayout::for_streams(largest, features()), std::exchange(spare_root_, {}), features());
    }
    return found;
}

void SmmuV3Unit::add_places(const Wanted& wanted) noexcept {
    for (const auto& [stream, entry] : wanted) {
        if (table_->has_place(stream)) continue;
        SMMU_ASSERT(!spare_leaves_.empty());
        table_->add_leaf(stream, std::move(spare_leaves_.back()));
        spare_leaves_.pop_back();
    }
}

// For a table that the unit does not look at.
void SmmuV3Unit::fill(const Wanted& wanted) noexcept {
    std::vector<StreamId> present;
    table_->visit([&](StreamId stream, const StreamEntry&) { present.push_back(stream); });
    for (const StreamId stream : present) table_->store(stream, {});
    add_places(wanted);
    for (const auto& [stream, entry] : wanted) table_->store(stream, entry);
}

// Whenever the unit is off from here on, it aborts everything.
Result<void> SmmuV3Unit::abort_when_off() noexcept {
    const auto bypass = hardware_.registers().read<Bypass>();
    if (!found_bypass_) found_bypass_ = bypass;
    return hardware_.set_bypass(bypass.without(Bypass::update) | Bypass::abort(1));
}

// Everything is aborted from here on, by the unit being off.
Result<void> SmmuV3Unit::close() noexcept {
    SMMU_CHECK(abort_when_off());
    if (hardware_.is_enabled()) SMMU_CHECK(hardware_.disable(Control::enabled, ControlDone::enabled));
    return {};
}

// Caches can be made to forget from here on. Nothing of what was queued before is done any more.
Result<void> SmmuV3Unit::start_commands() noexcept {
    SMMU_CHECK(queue_.start());
    caches_.attach_to(queue_);
    return {};
}

Result<void> SmmuV3Unit::enable(const Wanted& wanted) noexcept {
    const hw::Registers& registers = hardware_.registers();
    fill(wanted);
    SMMU_CHECK(hardware_.disable(Control::page_request_queue, ControlDone::page_request_queue));
    SMMU_CHECK(hardware_.disable(Control::event_queue, ControlDone::event_queue));
    SMMU_CHECK(hardware_.disable(Control::command_queue, ControlDone::command_queue));
    registers.write(attributes_of(features()));
    registers.write(Control2::private_maintenance(1) | Control2::records_bad_streams(1));
    registers.write(StreamTableBase::read_allocate(1) | StreamTableBase::address.of_address(table_->root().value));
    registers.write(table_->layout().shape());
    SMMU_CHECK(start_commands());
    SMMU_CHECK(caches_.forget_everything());
    SMMU_CHECK(events_.start());
    if (features().device_caches) SMMU_CHECK(hardware_.enable(Control::checks_translated, ControlDone::checks_translated));
    return hardware_.enable(Control::enabled, ControlDone::enabled);
}

// Stage 2: a space whose streams were all, and alone, under one tag of the predecessor goes on under that tag, so that each
// of them changes its tables by one store and is never refused. What is cached under the tag until the last of them has
// changed was granted to the same devices, by the predecessor or now.
void SmmuV3Unit::inherit_tags(Wanted& wanted) noexcept {
    if (features().stage == Stage::first) return;
    std::map<std::uint16_t, std::set<std::uint16_t>> from, to;  // old tags of a new one, new tags of an old one
    for (const auto& [stream, entry] : wanted) {
        const StreamEntry old = table_->entry(stream);
        if (!old.target) continue;
        from[entry.target->tag].insert(old.target->tag);
        to[old.target->tag].insert(entry.target->tag);
    }
    std::map<std::uint16_t, std::uint16_t> inherited;  // by the tag that is not used then
    for (const auto& [tag, old] : from)
        if (tag != refusing_.tag && old.size() == 1 && to[*old.begin()].size() == 1 && tags_.inherit(*old.begin()))
            inherited.emplace(tag, *old.begin());
    for (Member& member : members_) {
        const auto found = inherited.find(member.target.tag);
        if (found == inherited.end()) continue;
        tags_.give_back(member.target.tag);
        member.caches->rename(found->second);
        member.target.tag = found->second;
    }
    for (auto& [stream, entry] : wanted)
        if (const auto found = inherited.find(entry.target->tag); found != inherited.end()) entry.target->tag = found->second;
}

// In two halves. Wherever the predecessor was killed, caches may hold tags that no entry names any more. So nothing appears
// under a new tag before everything was forgotten: caches can hold only tags that this table names then, and those are
// reserved. Streams that keep a space go on under the old tag meanwhile.
Result<void> SmmuV3Unit::adopt_in_place(Wanted& wanted) noexcept {
    SMMU_CHECK(abort_when_off());
    SMMU_CHECK(start_commands());
    std::vector<StreamId> others;
    table_->visit([&](StreamId stream, const StreamEntry&) {
        if (!wanted.contains(stream)) others.push_back(stream);
    });
    for (const StreamId stream : others) table_->store(stream, {});
    add_places(wanted);
    SMMU_CHECK(caches_.forget_everything());
    inherit_tags(wanted);
    for (const auto& [stream, entry] : wanted) SMMU_CHECK(change(stream, entry));
    SMMU_CHECK(events_.start_after(arena_));
    if (features().device_caches) SMMU_CHECK(hardware_.enable(Control::checks_translated, ControlDone::checks_translated));
    return caches_.forget_everything();
}

// Nothing of anybody before is cached any more.
Result<void> SmmuV3Unit::finish_take_over() noexcept {
    tags_.forget_predecessors();
    if (leftover_.empty()) return {};
    memory::Gather gathered;
    gathered.cover_everything();
    for (memory::Frame& frame : leftover_) gathered.retire(std::move(frame));
    leftover_.clear();
    SMMU_TRY(memory::Flushed flushed, caches_.flush(std::move(gathered), arena_));
    arena_.reclaim(std::move(flushed));
    return {};
}

Result<void> SmmuV3Unit::carry_out(Wanted& wanted, TakeOver& result) noexcept {
    SMMU_CHECK(hardware_.mask_interrupts());
    if (result.found == Found::own) {
        SMMU_CHECK(adopt_in_place(wanted));
        return finish_take_over();
    }
    // A unit that is off and carries what must go on gets its tables first, and is then enabled in one step. Any other
    // refuses at once.
    const bool goes_on = result.found == Found::off && std::ranges::any_of(wanted, [&](const auto& known) {
        return known.second != refusing();
    });
    const Instant closed = hardware_.clock().now();
    if (!goes_on) SMMU_CHECK(close());
    SMMU_CHECK(enable(wanted));
    if (result.found == Found::foreign) result.pause = hardware_.clock().now() - closed;
    SMMU_CHECK(abort_when_off());
    return finish_take_over();
}

Result<TakeOver> SmmuV3Unit::take_over(std::span<const Assignment> assignments) {
    const Instant begun = hardware_.clock().now();
    if (!hardware_.answers()) return fail(ENXIO, fmt::format("{}: nothing answers there any more", name()));
    SMMU_TRY(Wanted wanted, wanted_entries(assignments));
    TakeOver result{.found = look(), .pause = {}, .took = {}};
    SMMU_CHECK(take_spare_frames(wanted));
    // What was adopted stays with the hardware from here on, whatever happens.
    state_ = UnitState::containing;
    result.found = prepare_table(result.found, wanted);
    auto done = carry_out(wanted, result);
    give_spare_frames_back();
    found_ = result.found;
    if (!done) {
        if (state_ != UnitState::failed) hard_stop();
        return pass_on(std::move(done));
    }
    result.took = hardware_.clock().now() - begun;
    return result;
}

}  // namespace smmu::units::smmuv3

// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv3/unit.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "paging/arm_stage1.hpp"
#include "paging/arm_stage2.hpp"

namespace smmu::units::smmuv3 {
namespace {

paging::Geometry geometry_of(const Features& features) {
    return {.levels = features.levels,
            .input_bits = features.input_bits,
            .leaf_sizes = features.leaf_sizes,
            .coherency = features.coherency};
}

using NewSpace = Result<std::unique_ptr<TableSpace>>;

template <paging::Format F>
NewSpace make_space_of(std::unique_ptr<SpaceCaches> caches, const Features& features, memory::Arena& arena,
                       memory::Account& account) {
    SMMU_TRY(auto table, paging::PageTable<F>::create(geometry_of(features), arena, account));
    return std::make_unique<PagedSpace<F>>(std::move(table), arena, std::move(caches));
}

template <template <unsigned> class Tables>
NewSpace make_space_by_granule(std::unique_ptr<SpaceCaches> caches, const Features& features, memory::Arena& arena,
                               memory::Account& account) {
    switch (features.granule_log2) {
        case 14: return make_space_of<Tables<14>>(std::move(caches), features, arena, account);
        case 16: return make_space_of<Tables<16>>(std::move(caches), features, arena, account);
        default: return make_space_of<Tables<12>>(std::move(caches), features, arena, account);
    }
}

NewSpace make_space(std::unique_ptr<SpaceCaches> caches, const Features& features, memory::Arena& arena,
                    memory::Account& account) {
    return features.stage == Stage::second
               ? make_space_by_granule<paging::ArmStage2Tables>(std::move(caches), features, arena, account)
               : make_space_by_granule<paging::ArmStage1Tables>(std::move(caches), features, arena, account);
}

}  // namespace

Result<std::vector<memory::Frame>> take_frames(memory::Arena& arena, memory::Account& account, std::span<const unsigned> orders) {
    std::vector<memory::Frame> frames;
    for (const unsigned order : orders) {
        auto frame = arena.take(account, order);
        if (!frame) {
            for (memory::Frame& taken : frames) arena.discard(std::move(taken));
            return pass_on(std::move(frame));
        }
        frames.push_back(*std::move(frame));
    }
    return frames;
}

Result<std::unique_ptr<SmmuV3Unit>> SmmuV3Unit::create(std::unique_ptr<hw::Mmio> mmio, Features features, std::string name,
                                                       memory::Arena& arena, memory::Account& account, Clock& clock,
                                                       unsigned host_address_bits) {
    const unsigned orders[] = {features.root_order(), 0, 0, EventQueue::ring_order};
    SMMU_TRY(std::vector<memory::Frame> frames, take_frames(arena, account, orders));
    Frames own{std::move(frames[0]), std::move(frames[1]), std::move(frames[2]), std::move(frames[3])};
    memory::publish(features.coherency, own.refusing_table.words(), memory::frame_bytes << features.root_order());
    std::unique_ptr<SmmuV3Unit> unit(
        new SmmuV3Unit(std::move(mmio), features, std::move(name), arena, account, clock, host_address_bits, std::move(own)));
    // Spaces are made before take-over: their tags must differ from those that an earlier instance's tables use.
    if (const auto predecessor = find_predecessor(unit->hardware_.registers(), features, arena))
        for (const std::uint16_t tag : predecessor->tags) unit->tags_.reserve(tag);
    SMMU_TRY(const std::uint16_t tag, unit->tags_.take(unit->name()));
    if (features.stage == Stage::second) {
        unit->refusing_ = {unit->frames_.refusing_table.address(), tag};
    } else {
        std::uint64_t* const words = unit->frames_.refusing_descriptors.words();
        write_descriptors(words, unit->frames_.refusing_table.address(), tag, features);
        memory::publish(features.coherency, words, memory::frame_bytes);
        unit->refusing_ = {unit->frames_.refusing_descriptors.address(), 0};
    }
    return unit;
}

SmmuV3Unit::SmmuV3Unit(std::unique_ptr<hw::Mmio> mmio, Features features, std::string unit_name, memory::Arena& arena,
                       memory::Account& account, Clock& clock, unsigned host_address_bits, Frames frames)
    : arena_(arena), account_(account), hardware_(std::move(mmio), features, std::move(unit_name), clock),
      capabilities_(capabilities_of(features, host_address_bits)), frames_(std::move(frames)),
      tags_(features.stage == Stage::second ? "VMIDs" : "ASIDs", features.tags), caches_(hardware_, *this),
      queue_(hardware_, frames_.commands), events_(hardware_, frames_.events) {}

// The hardware goes on walking what it was given: those frames stay as they are, for a successor to adopt.
SmmuV3Unit::~SmmuV3Unit() {
    std::vector<memory::Frame> frames = std::move(leftover_);
    if (table_)
        for (memory::Frame& frame : table_->release()) frames.push_back(std::move(frame));
    for (Member& member : members_)
        if (member.descriptors) frames.push_back(std::move(member.descriptors));
    for (memory::Frame* frame : {&frames_.refusing_table, &frames_.refusing_descriptors, &frames_.commands, &frames_.events})
        if (*frame) frames.push_back(std::move(*frame));
    for (memory::Frame& frame : frames) {
        if (state_ == UnitState::untouched)
            arena_.discard(std::move(frame));
        else
            arena_.quarantine(std::move(frame));
    }
}

std::unexpected<Error> SmmuV3Unit::stopped() const {
    if (state_ == UnitState::untouched) return fail(EINVAL, fmt::format("{}: not taken over yet", name()));
    return fail(EIO, fmt::format("{}: the unit was stopped after an error; it must be taken over again", name()));
}

const SmmuV3Unit::Member* SmmuV3Unit::member(const AddressSpace& space) const {
    const auto found = std::ranges::find(members_, &space, &Member::handle);
    return found == members_.end() ? nullptr : &*found;
}

// The space that a stream is attached to; nullptr where it refuses.
const SmmuV3Unit::Member* SmmuV3Unit::member_of(StreamId stream) const {
    const StreamEntry entry = table_ ? table_->entry(stream) : StreamEntry{};
    return entry.target ? member_at(*entry.target) : nullptr;
}

const SmmuV3Unit::Member* SmmuV3Unit::member_at(const StreamTarget& target) const {
    const auto found = std::ranges::find(members_, target, &Member::target);
    return found == members_.end() ? nullptr : &*found;
}

// Stage 1: descriptors that stay as they are for the life of the space, so that a stream changes its space by one store.
Result<StreamTarget> SmmuV3Unit::make_target(PhysAddr root, std::uint16_t tag, memory::Frame& descriptors,
                                             memory::Account& account) {
    if (features().stage == Stage::second) return StreamTarget{root, tag};
    SMMU_TRY(descriptors, arena_.take(account));
    write_descriptors(descriptors.words(), root, tag, features());
    memory::publish(features().coherency, descriptors.words(), memory::frame_bytes);
    return StreamTarget{descriptors.address(), 0};
}

Result<std::unique_ptr<AddressSpace>> SmmuV3Unit::create_space(memory::Account& account) {
    SMMU_TRY(const std::uint16_t tag, tags_.take(name()));
    auto caches = std::make_unique<TagCaches>(caches_, tag);
    TagCaches* const caches_of_space = caches.get();
    auto space = make_space(std::move(caches), features(), arena_, account);
    if (!space) {
        tags_.give_back(tag);
        return pass_on(std::move(space));
    }
    Member member{space->get(), space->get(), caches_of_space, {}, {}};
    auto target = make_target(member.space->root(), tag, member.descriptors, account);
    if (!target) {
        // Nobody has seen the tables, so nothing has to be forgotten.
        if ((*space)->release()) tags_.give_back(tag);
        return pass_on(std::move(target));
    }
    member.target = *target;
    members_.push_back(std::move(member));
    return std::unique_ptr<AddressSpace>(*std::move(space));
}

Result<void> SmmuV3Unit::retire(std::unique_ptr<AddressSpace> space) noexcept {
    const auto found = std::ranges::find(members_, space.get(), &Member::handle);
    SMMU_ASSERT(found != members_.end());
    Member ending = std::move(*found);
    members_.erase(found);
    if (table_ && state_ == UnitState::containing)
        table_->visit([&](StreamId, const StreamEntry& entry) { SMMU_ASSERT(entry.target != ending.target); });
    const std::uint16_t tag = ending.caches->tag();  // the caches end with the space
    memory::Gather gathered;
    gathered.cover_everything();
    if (ending.descriptors) gathered.retire(std::move(ending.descriptors));
    auto released = ending.space->release(std::move(gathered));
    // Without the flush the tag stays taken for ever: what is cached under it may still be there.
    if (released) tags_.give_back(tag);
    return released;
}

Result<void> SmmuV3Unit::make_place_for(StreamId stream) {
    if (!table_->covers(stream))
        return fail(EINVAL, fmt::format("{}: stream {:#x} is beyond its stream table of {} streams; restart the service so that "
                                        "it is known from the start", name(), raw(stream), table_->layout().streams()));
    if (table_->has_place(stream)) return {};
    SMMU_TRY(memory::Frame leaf, arena_.take(account_, StreamTableLayout::leaf_order()));
    table_->add_leaf(stream, std::move(leaf));
    const Command path[] = {Command::path_of(stream)};
    return caches_.forget(path);
}

// One step, and nothing of the entry before is known to the unit any more.
Result<void> SmmuV3Unit::step(StreamId stream, const StreamEntry& entry) noexcept {
    table_->store(stream, entry);
    const Command stale[] = {Command::entry_of(stream), Command::context_of(stream)};
    return caches_.forget(std::span(stale).first(features().stage == Stage::first ? 2 : 1));
}

// Hardware reads an entry word by word. In stage 2 the tables are in one of them, their tag and the muting in another: where
// the tag changes the old tables go first, then the tag changes over a table in which nothing is mapped, then the new tables
// appear. Nothing is ever cached of one space under the tag of another.
std::vector<StreamEntry> SmmuV3Unit::steps_between(const StreamEntry& old, const StreamEntry& next) const {
    if (features().stage == Stage::first || !old.target || !next.target) return {};
    if (old.target->tag == next.target->tag) {
        if (old.muted == next.muted || old.target->table == next.target->table) return {};
        return {StreamEntry::translating(*old.target, next.muted)};
    }
    const PhysAddr nothing = refusing_.table;
    std::vector<StreamEntry> steps;
    if (old.target->table != nothing) steps.push_back(StreamEntry::translating({nothing, old.target->tag}, old.muted));
    if (next.target->table != nothing) steps.push_back(StreamEntry::translating({nothing, next.target->tag}, next.muted));
    return steps;
}

Result<void> SmmuV3Unit::change(StreamId stream, const StreamEntry& entry) noexcept {
    const StreamEntry old = table_->entry(stream);
    if (old == entry) return {};
    for (const StreamEntry& between : steps_between(old, entry)) SMMU_CHECK(step(stream, between));
    SMMU_CHECK(step(stream, entry));
    // DMA that was translated by the old tables has to be over, too.
    const Member* const left = old.target ? member_at(*old.target) : nullptr;
    if (left == nullptr || old.target == entry.target) return {};
    const Command translated[] = {Command::translations_of(left->caches->tag(), features())};
    return caches_.forget(translated);
}

Result<void> SmmuV3Unit::attach(StreamId stream, AddressSpace& space) noexcept {
    if (state_ != UnitState::containing) return stopped();
    const Member* const target = member(space);
    if (target == nullptr)
        return fail(EINVAL,
                    fmt::format("{}: stream {:#x}: the address space belongs to another unit", name(), raw(stream)));
    SMMU_CHECK(make_place_for(stream));
    return change(stream, translating(*target, Recording::on));
}

Result<void> SmmuV3Unit::block(StreamId stream, Recording recording) noexcept {
    if (state_ != UnitState::containing) return stopped();
    SMMU_CHECK(make_place_for(stream));
    return change(stream, refusing(recording));
}

Result<void> SmmuV3Unit::record(StreamId stream, Recording recording) noexcept {
    if (state_ != UnitState::containing) return stopped();
    const Member* const attached = member_of(stream);
    if (attached == nullptr) return block(stream, recording);
    return change(stream, translating(*attached, recording));
}

Drained SmmuV3Unit::drain(RefusalSink& sink) noexcept {
    // That there is no entry is the stream's fault only where there is none.
    class Looking final : public RefusalSink {
    public:
        Looking(const SmmuV3Unit& unit, RefusalSink& sink) : unit_(unit), sink_(sink) {}
        void refused(const Refusal& refusal) noexcept override {
            Refusal seen = refusal;
            if (refusal.reason == Refusal::Reason::unknown_stream && unit_.table_ &&
                unit_.table_->entry(refusal.stream).target)
                seen.reason = Refusal::Reason::configuration;
            sink_.refused(seen);
        }

    private:
        const SmmuV3Unit& unit_;
        RefusalSink& sink_;
    };
    if (state_ == UnitState::untouched) return {};
    Looking looking(*this, sink);
    return events_.drain(looking);
}

Result<void> SmmuV3Unit::leave(Kept kept) noexcept {
    if (state_ != UnitState::containing) return stopped();
    SMMU_TRY(const Wanted wanted, wanted_entries(kept));
    for (const auto& [stream, entry] : wanted) SMMU_CHECK(make_place_for(stream));
    // All is closed before anything opens; what stays as it is is not touched.
    std::vector<StreamId> closing;
    table_->visit([&](StreamId stream, const StreamEntry&) {
        if (!wanted.contains(stream)) closing.push_back(stream);
    });
    for (const StreamId stream : closing) SMMU_CHECK(change(stream, refusing()));
    for (const auto& [stream, entry] : wanted) SMMU_CHECK(change(stream, entry));
    return caches_.forget_everything();
}

}  // namespace smmu::units::smmuv3

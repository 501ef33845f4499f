// SPDX-License-Identifier: Apache-2.0
#include "units/vtd/unit.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "paging/vtd_first_stage.hpp"
#include "paging/vtd_second_stage.hpp"

namespace smmu::units::vtd {
namespace {

template <paging::Format F>
Result<std::unique_ptr<TableSpace>> make_space(std::unique_ptr<SpaceCaches> caches,
                                               const Walk& walk, memory::Arena& arena,
                                               memory::Account& account) {
    SMMU_TRY(auto table, paging::PageTable<F>::create({.levels = walk.levels,
                                                       .input_bits = walk.input_bits,
                                                       .leaf_sizes = walk.leaf_sizes,
                                                       .coherency = walk.coherency},
                                                      arena, account));
    return std::make_unique<PagedSpace<F>>(std::move(table), arena, std::move(caches));
}

Result<std::unique_ptr<TableSpace>> make_space(std::unique_ptr<SpaceCaches> caches,
                                               const Features& features, memory::Arena& arena,
                                               memory::Account& account) {
    const Walk& walk = features.walk;
    if (walk.stage == Stage::first)
        return make_space<paging::VtdFirstStage>(std::move(caches), walk, arena, account);
    // In scalable mode the entry of the PASID forces snooping, not every leaf.
    if (walk.mode == TableMode::legacy && features.forces_snoop)
        return make_space<paging::VtdSecondStageSnooped>(std::move(caches), walk, arena, account);
    return make_space<paging::VtdSecondStage>(std::move(caches), walk, arena, account);
}

// A unit that translates in legacy mode stays in it where the mode cannot change under translation,
// and where its tables are an earlier instance's: adopted, they refuse nobody for a moment.
Features keeping_legacy_mode(Features features, const hw::Registers& registers,
                             const memory::Arena& arena) {
    if (!features.legacy_walk || !registers.read<GlobalStatus>().has(GlobalStatus::translation) ||
        registers.read<RootTable>()[RootTable::mode] != std::uint64_t(TableMode::legacy))
        return features;
    Features kept = features;
    kept.walk = *features.legacy_walk;
    const bool keeps =
        !features.root_invalidates || find_predecessor(registers, kept, arena).has_value();
    return keeps ? kept : features;
}

}  // namespace

Result<std::unique_ptr<VtdUnit>> VtdUnit::create(std::unique_ptr<hw::Mmio> mmio, Features features,
                                                 std::string name, memory::Arena& arena,
                                                 memory::Account& account, Clock& clock,
                                                 unsigned host_address_bits) {
    features = keeping_legacy_mode(features, hw::Registers(*mmio), arena);
    SMMU_TRY(std::vector<memory::Frame> frames, arena.take_many(account, 4));
    Frames own{std::move(frames[0]), std::move(frames[1]), std::move(frames[2]),
               std::move(frames[3])};
    memory::publish(features.coherency, own.empty_root.words(), memory::frame_bytes);
    memory::publish(features.walk.coherency, own.refusing_table.words(), memory::frame_bytes);
    std::unique_ptr<VtdUnit> unit(new VtdUnit(std::move(mmio), features, std::move(name), arena,
                                              account, clock, host_address_bits, std::move(own)));
    // Spaces are made before take-over: their ids must differ from those that an earlier instance's
    // tables use.
    if (const auto predecessor = find_predecessor(unit->hardware_.registers(), features, arena))
        for (const std::uint16_t domain : predecessor->domains) unit->domains_.reserve(domain);
    SMMU_CHECK(unit->prepare_refusing());
    return unit;
}

VtdUnit::VtdUnit(std::unique_ptr<hw::Mmio> mmio, Features features, std::string unit_name,
                 memory::Arena& arena, memory::Account& account, Clock& clock,
                 unsigned host_address_bits, Frames frames)
    : arena_(arena),
      account_(account),
      hardware_(std::move(mmio), features, std::move(unit_name), clock),
      capabilities_(capabilities_of(features, host_address_bits)),
      frames_(std::move(frames)),
      domains_("domain ids", features.domains),
      caches_(hardware_, *this),
      register_invalidation_(hardware_),
      fault_log_(hardware_) {}

// The hardware goes on walking what it was given: those frames stay as they are, for a successor to
// adopt.
VtdUnit::~VtdUnit() {
    std::vector<memory::Frame> frames = std::move(leftover_);
    if (tables_)
        for (memory::Frame& frame : tables_->release()) frames.push_back(std::move(frame));
    if (refusing_pasids_) refusing_pasids_->release(frames);
    for (Member& member : members_)
        if (member.pasids) member.pasids->release(frames);
    for (memory::Frame* frame :
         {&frames_.empty_root, &frames_.refusing_table, &frames_.queue_ring, &frames_.queue_status})
        if (*frame) frames.push_back(std::move(*frame));
    for (memory::Frame& frame : frames) {
        if (state_ == UnitState::untouched)
            arena_.discard(std::move(frame));
        else
            arena_.quarantine(std::move(frame));
    }
}

std::unexpected<Error> VtdUnit::stopped() const {
    if (state_ == UnitState::untouched)
        return fail(EINVAL, fmt::format("{}: not taken over yet", name()));
    return fail(EIO,
                fmt::format("{}: the unit was stopped after an error; it must be taken over again",
                            name()));
}

const VtdUnit::Member* VtdUnit::member(const AddressSpace& space) const {
    const auto found = std::ranges::find(members_, &space, &Member::handle);
    return found == members_.end() ? nullptr : &*found;
}

// The space that a stream is attached to; nullptr where it refuses.
const VtdUnit::Member* VtdUnit::member_of(StreamId stream) const {
    const StreamEntry entry = tables_ ? tables_->entry(stream) : StreamEntry{};
    if (!entry.is_present()) return nullptr;
    const auto found = std::ranges::find(members_, *entry.target, &Member::target);
    return found == members_.end() ? nullptr : &*found;
}

// In scalable mode streams find the page table by way of PASID tables of their own for every space:
// a stream changes its space by one store in both modes.
Result<StreamTarget> VtdUnit::make_target(PhysAddr page_table, std::uint16_t domain,
                                          std::optional<PasidTables>& pasids,
                                          memory::Account& account) {
    const Features& features = hardware_.features();
    if (features.walk.mode != TableMode::scalable) return StreamTarget{page_table, domain};
    SMMU_TRY(pasids, PasidTables::create(page_table, domain, features, arena_, account));
    return StreamTarget{pasids->directory(), domain};
}

Result<void> VtdUnit::prepare_refusing() {
    SMMU_TRY(const std::uint16_t domain, domains_.take(name()));
    SMMU_TRY(refusing_, make_target(frames_.refusing_table.address(), domain, refusing_pasids_,
                                    account_));
    return {};
}

Result<std::unique_ptr<AddressSpace>> VtdUnit::create_space(memory::Account& account) {
    SMMU_TRY(const std::uint16_t domain, domains_.take(name()));
    auto space = make_space(std::make_unique<DomainCaches>(caches_, domain), hardware_.features(),
                            arena_, account);
    if (!space) {
        domains_.give_back(domain);
        return pass_on(std::move(space));
    }
    Member member{space->get(), space->get(), {}, {}};
    auto target = make_target(member.space->root(), domain, member.pasids, account);
    if (!target) {
        // Nobody has seen the tables, so nothing has to be forgotten.
        if ((*space)->release()) domains_.give_back(domain);
        return pass_on(std::move(target));
    }
    member.target = *target;
    members_.push_back(std::move(member));
    return std::unique_ptr<AddressSpace>(*std::move(space));
}

Result<void> VtdUnit::retire(std::unique_ptr<AddressSpace> space) noexcept {
    const auto found = std::ranges::find(members_, space.get(), &Member::handle);
    SMMU_ASSERT(found != members_.end());
    Member ending = std::move(*found);
    members_.erase(found);
    if (tables_ && state_ == UnitState::containing)
        tables_->visit([&](StreamId, const StreamEntry& entry) {
            SMMU_ASSERT(entry.target != ending.target);
        });
    memory::Gather gathered;
    if (ending.pasids) ending.pasids->retire(gathered);
    auto released = ending.space->release(std::move(gathered));
    // Without the flush the id stays taken for ever: what is cached under it may still be there.
    if (released) domains_.give_back(ending.target.domain);
    return released;
}

StreamEntry VtdUnit::translating(const Member& member, Recording recording) {
    return StreamEntry::translating(member.target, recording == Recording::muted);
}

Result<void> VtdUnit::make_place_for(StreamId stream) {
    if (raw(stream) >= stream_count)
        return fail(EINVAL,
                    fmt::format("{}: stream {:#x} is not a PCI requester id", name(), raw(stream)));
    if (tables_->has_table(stream)) return {};
    SMMU_TRY(memory::Frame contexts, arena_.take(account_));
    tables_->add_table(stream, std::move(contexts));
    return {};
}

// In scalable mode the entries of streams name no domain, so that a request that names one may miss them.
Invalidate VtdUnit::context_of(StreamId stream, std::uint16_t domain) const {
    if (hardware_.features().walk.mode == TableMode::scalable) return {.what = Invalidate::What::all_contexts};
    return {.what = Invalidate::What::context_of_source, .domain = domain, .source = std::uint16_t(raw(stream))};
}

// One store, then whatever the unit may have kept of the old entry.
Result<void> VtdUnit::change(StreamId stream, const StreamEntry& entry) noexcept {
    using What = Invalidate::What;
    const StreamEntry old = tables_->entry(stream);
    if (old == entry) return {};
    tables_->store(stream, entry);
    if (old.is_present()) {
        const std::uint16_t left = old.target->domain;
        const Invalidate stale[] = {
            context_of(stream, left),
            {.what = What::pasids_of_domain, .domain = left},
            {.what = What::translations_of_domain, .domain = left}};
        SMMU_CHECK(caches_.forget(stale));
    }
    if (!entry.is_present()) return {};
    // Units in caching mode may remember that there was no entry, and no translation.
    const Invalidate absent[] = {
        context_of(stream, 0),
        {.what = What::pasids_of_domain, .domain = entry.target->domain},
        {.what = What::translations_of_domain, .domain = entry.target->domain}};
    return caches_.appeared(absent);
}

Result<void> VtdUnit::attach(StreamId stream, AddressSpace& space) noexcept {
    if (state_ != UnitState::containing) return stopped();
    const Member* const target = member(space);
    if (target == nullptr)
        return fail(EINVAL,
                    fmt::format("{}: stream {:#x}: the address space belongs to another unit",
                                name(), raw(stream)));
    SMMU_CHECK(make_place_for(stream));
    return change(stream, translating(*target, Recording::on));
}

Result<void> VtdUnit::block(StreamId stream, Recording recording) noexcept {
    if (state_ != UnitState::containing) return stopped();
    SMMU_CHECK(make_place_for(stream));
    return change(stream, recording == Recording::muted ? StreamEntry::silent() : refusing());
}

Result<void> VtdUnit::record(StreamId stream, Recording recording) noexcept {
    if (state_ != UnitState::containing) return stopped();
    const Member* const attached = member_of(stream);
    if (attached == nullptr) return block(stream, recording);
    return change(stream, translating(*attached, recording));
}

Drained VtdUnit::drain(RefusalSink& sink) noexcept {
    // The record of a missing permission does not say whether the page is there: the tables do.
    class Looking final : public RefusalSink {
    public:
        Looking(const VtdUnit& unit, RefusalSink& sink) : unit_(unit), sink_(sink) {}
        void refused(const Refusal& refusal) noexcept override {
            Refusal seen = refusal;
            // The first stage says by itself that nothing is there.
            if (refusal.stage != 1 && refusal.reason == Refusal::Reason::not_mapped) {
                if (seen.stage == 0)
                    seen.stage = std::uint8_t(unit_.hardware_.features().walk.stage);
                const Member* const attached = unit_.member_of(refusal.stream);
                if (attached != nullptr && attached->space->translate(refusal.address))
                    seen.reason = Refusal::Reason::permission;
            }
            sink_.refused(seen);
        }

    private:
        const VtdUnit& unit_;
        RefusalSink& sink_;
    };
    Looking looking(*this, sink);
    return fault_log_.drain(looking);
}

Result<void> VtdUnit::leave(Kept kept) noexcept {
    if (state_ != UnitState::containing) return stopped();
    SMMU_TRY(const Wanted wanted, wanted_entries(kept));
    for (const auto& [stream, entry] : wanted) SMMU_CHECK(make_place_for(stream));
    // All is closed before anything opens; what stays as it is is not touched.
    tables_->visit([&](StreamId stream, const StreamEntry& entry) {
        const auto keeping = wanted.find(stream);
        if (keeping == wanted.end() && entry != refusing()) tables_->store(stream, refusing());
    });
    for (const auto& [stream, entry] : wanted)
        if (tables_->entry(stream) != entry) tables_->store(stream, entry);
    return caches_.forget_everything();
}

}  // namespace smmu::units::vtd

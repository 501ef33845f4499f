// SPDX-License-Identifier: Apache-2.0
#include "units/vtd/unit.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace smmu::units::vtd {

Result<std::unique_ptr<VtdUnit>> VtdUnit::create(std::unique_ptr<hw::Mmio> mmio, Features features,
                                                 std::string name, memory::Arena& arena,
                                                 memory::Account& account, Clock& clock,
                                                 unsigned host_address_bits) {
    SMMU_TRY(std::vector<memory::Frame> frames, arena.take_many(account, 4));
    Frames own{std::move(frames[0]), std::move(frames[1]), std::move(frames[2]),
               std::move(frames[3])};
    memory::publish(features.coherency, own.empty_root.words(), memory::frame_bytes);
    memory::publish(features.coherency, own.refusing_table.words(), memory::frame_bytes);
    std::unique_ptr<VtdUnit> unit(new VtdUnit(std::move(mmio), features, std::move(name), arena,
                                              account, clock, host_address_bits, std::move(own)));
    // Spaces are made before take-over: their ids must differ from those that an earlier instance's
    // tables use.
    if (const auto predecessor = find_predecessor(unit->hardware_, arena))
        for (const std::uint16_t domain : predecessor->domains) unit->domains_.reserve(domain);
    SMMU_TRY(unit->refusing_domain_, unit->domains_.take(unit->name()));
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
      domains_(features.domains),
      caches_(hardware_, *this),
      register_invalidation_(hardware_),
      fault_log_(hardware_) {}

// The hardware goes on walking what it was given: those frames stay as they are, for a successor to
// adopt.
VtdUnit::~VtdUnit() {
    std::vector<memory::Frame> frames = std::move(leftover_);
    if (tables_)
        for (memory::Frame& frame : tables_->release()) frames.push_back(std::move(frame));
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

const VtdUnit::Member* VtdUnit::member_of(std::uint16_t domain) const {
    const auto found = std::ranges::find(members_, domain, &Member::domain);
    return found == members_.end() ? nullptr : &*found;
}

Result<std::unique_ptr<AddressSpace>> VtdUnit::create_space(memory::Account& account) {
    const Features& features = hardware_.features();
    SMMU_TRY(const std::uint16_t domain, domains_.take(name()));
    auto table =
        paging::PageTable<paging::VtdSecondStage>::create({.levels = features.levels,
                                                           .input_bits = features.input_bits,
                                                           .leaf_sizes = features.leaf_sizes,
                                                           .coherency = features.coherency},
                                                          arena_, account);
    if (!table) {
        domains_.give_back(domain);
        return pass_on(std::move(table));
    }
    auto space = std::make_unique<Space>(std::move(*table), arena_,
                                         std::make_unique<DomainCaches>(caches_, domain));
    members_.push_back({space.get(), space.get(), domain});
    return std::unique_ptr<AddressSpace>(std::move(space));
}

Result<void> VtdUnit::retire(std::unique_ptr<AddressSpace> space) noexcept {
    const auto found = std::ranges::find(members_, space.get(), &Member::handle);
    SMMU_ASSERT(found != members_.end());
    const Member ending = *found;
    if (tables_ && state_ == UnitState::containing)
        tables_->visit([&](StreamId, const ContextEntry& entry) {
            SMMU_ASSERT(!entry.is_present() || entry.target().domain != ending.domain);
        });
    auto released = ending.space->release();
    // Without the flush the id stays taken for ever: what is cached under it may still be there.
    if (released) domains_.give_back(ending.domain);
    members_.erase(found);
    return released;
}

ContextEntry VtdUnit::translating(const Member& member, Recording recording) const {
    return ContextEntry::translating(
        {member.space->table().root(), hardware_.features().width_code, member.domain},
        recording == Recording::muted);
}

ContextEntry VtdUnit::refusing() const {
    return ContextEntry::translating(
        {frames_.refusing_table.address(), hardware_.features().width_code, refusing_domain_},
        false);
}

Result<void> VtdUnit::make_place_for(StreamId stream) {
    if (raw(stream) >= stream_count)
        return fail(EINVAL,
                    fmt::format("{}: stream {:#x} is not a PCI requester id", name(), raw(stream)));
    if (tables_->has_bus(stream)) return {};
    SMMU_TRY(memory::Frame contexts, arena_.take(account_));
    tables_->add_bus(stream, std::move(contexts));
    return {};
}

// One store, then whatever the unit may have kept of the old entry.
Result<void> VtdUnit::change(StreamId stream, const ContextEntry& entry) noexcept {
    using What = Invalidate::What;
    const ContextEntry old = tables_->entry(stream);
    if (old == entry) return {};
    tables_->store(stream, entry);
    const auto source = static_cast<std::uint16_t>(raw(stream));
    if (old.is_present()) {
        const std::uint16_t left = old.target().domain;
        const Invalidate stale[] = {
            {.what = What::context_of_source, .domain = left, .source = source},
            {.what = What::translations_of_domain, .domain = left}};
        SMMU_CHECK(caches_.forget(stale));
    }
    if (!entry.is_present()) return {};
    // Units in caching mode may remember that there was no entry, and no translation.
    const Invalidate absent[] = {
        {.what = What::context_of_source, .domain = 0, .source = source},
        {.what = What::translations_of_domain, .domain = entry.target().domain}};
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
    return change(stream, recording == Recording::muted ? ContextEntry::silent() : refusing());
}

Result<void> VtdUnit::record(StreamId stream, Recording recording) noexcept {
    if (state_ != UnitState::containing) return stopped();
    const ContextEntry now = tables_->entry(stream);
    const Member* const attached = now.is_present() ? member_of(now.target().domain) : nullptr;
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
            if (refusal.stage == 2 && refusal.reason == Refusal::Reason::not_mapped &&
                unit_.tables_) {
                const ContextEntry entry = unit_.tables_->entry(refusal.stream);
                const Member* const attached =
                    entry.is_present() ? unit_.member_of(entry.target().domain) : nullptr;
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
    tables_->visit([&](StreamId stream, const ContextEntry& entry) {
        const auto keeping = wanted.find(stream);
        if (keeping == wanted.end() && entry != refusing()) tables_->store(stream, refusing());
    });
    for (const auto& [stream, entry] : wanted)
        if (tables_->entry(stream) != entry) tables_->store(stream, entry);
    return caches_.forget_everything();
}

}  // namespace smmu::units::vtd

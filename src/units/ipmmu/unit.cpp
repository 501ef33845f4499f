// SPDX-License-Identifier: Apache-2.0
#include "units/ipmmu/unit.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "paging/arm_stage1.hpp"
#include "paging/arm_stage2.hpp"

namespace smmu::units::ipmmu {
namespace {

constexpr unsigned output_bits = 40;
constexpr auto coherency = memory::Coherency::not_snooped;  // walks never look into the processors' caches
constexpr std::uint64_t leaf_sizes = std::uint64_t{1} << 12 | std::uint64_t{1} << 21 | std::uint64_t{1} << 30;

constexpr unsigned input_bits(TableFormat format) { return format == TableFormat::stage2 ? 40 : 32; }

Capabilities capabilities_of(TableFormat format, unsigned host_bits) {
    return {.granule_log2 = 12,
            .input_bits = input_bits(format),
            .output_bits = std::min(output_bits, host_bits),
            .leaf_sizes = leaf_sizes,
            .coherent = false,
            .write_implies_read = format == TableFormat::stage1,
            .execute_permission = false,
            .register_memory = true,
            .drains = true,
            .interrupt_remapping = false,
            .never_grantable = std::nullopt};
}

template <paging::Format F>
Result<std::unique_ptr<TableSpace>> make_space(std::unique_ptr<SpaceCaches> caches, TableFormat format, memory::Arena& arena,
                                               memory::Account& account) {
    const paging::Geometry geometry{
        .levels = 3, .input_bits = input_bits(format), .leaf_sizes = leaf_sizes, .coherency = coherency};
    SMMU_TRY(auto table, paging::PageTable<F>::create(geometry, arena, account));
    return std::make_unique<PagedSpace<F>>(std::move(table), arena, std::move(caches));
}

}  // namespace

Result<std::unique_ptr<IpmmuUnit>> IpmmuUnit::create(Hardware hardware, memory::Arena& arena, memory::Account& account,
                                                     unsigned host_address_bits) {
    SMMU_TRY(memory::Frame table, arena.take(account, root_order(hardware.main.format())));
    memory::publish(coherency, table.words(), table.word_count() * sizeof(std::uint64_t));
    std::unique_ptr<IpmmuUnit> unit(
        new IpmmuUnit(std::move(hardware), arena, host_address_bits, std::move(table), account));
    // What is enabled now cannot be had before everything that is tied to it was moved.
    for (unsigned context = 1; context < unit->main().places().contexts(); ++context)
        if (unit->main().is_enabled(context)) unit->tags_.reserve(static_cast<std::uint16_t>(context));
    if (const auto context = unit->tags_.take(unit->name())) unit->refusing_.context = *context;
    return unit;
}

IpmmuUnit::IpmmuUnit(Hardware hardware, memory::Arena& arena, unsigned host_address_bits, memory::Frame table,
                     memory::Account& account)
    : arena_(arena), account_(account), hardware_(std::move(hardware)),
      capabilities_(capabilities_of(hardware_.main.format(), host_address_bits)), tags_("contexts", main().places().contexts()),
      refusing_{0, std::move(table)}, caches_(hardware_, *this) {}

// The hardware goes on walking what it was given: the frame stays as it is, for a successor to adopt.
IpmmuUnit::~IpmmuUnit() {
    if (state_ == UnitState::untouched)
        arena_.discard(std::move(refusing_.table));
    else
        arena_.quarantine(std::move(refusing_.table));
}

std::unexpected<Error> IpmmuUnit::stopped() const {
    if (state_ == UnitState::untouched) return fail(EINVAL, fmt::format("{}: not taken over yet", name()));
    return fail(EIO, fmt::format("{}: the unit was stopped after an error; it must be taken over again", name()));
}

const IpmmuUnit::Member* IpmmuUnit::member(const AddressSpace& space) const {
    const auto found = std::ranges::find(members_, &space, &Member::handle);
    return found == members_.end() ? nullptr : &*found;
}

const IpmmuUnit::Member* IpmmuUnit::member_at(unsigned context) const {
    const auto found = std::ranges::find_if(members_, [&](const Member& one) { return one.caches->context() == context; });
    return found == members_.end() ? nullptr : &*found;
}

std::string IpmmuUnit::describe(StreamId stream) const {
    const std::size_t index = topology::cache_of(stream);
    if (index >= hardware_.caches.size()) return fmt::format("stream {:#x}", raw(stream));
    return fmt::format("{} micro-TLB {}", hardware_.caches[index].name(), topology::micro_tlb_number(stream));
}

Result<void> IpmmuUnit::check(StreamId stream) const {
    const std::size_t index = topology::cache_of(stream);
    if (index < hardware_.caches.size() && topology::micro_tlb_number(stream) < main().places().slots()) return {};
    return fail(EINVAL, fmt::format("{}: there is no {}: cache units of this chip have at most {} micro-TLBs", name(),
                                    describe(stream), main().places().slots()));
}

// A context of its own for each space: the refusals of two spaces can be told apart, and each is flushed alone.
Result<std::unique_ptr<AddressSpace>> IpmmuUnit::create_space(memory::Account& account) {
    if (members_.size() >= spaces_possible())
        return fail(ENOSPC, fmt::format("{}: all {} contexts that the chip has for address spaces are in use; destroy an object, or "
                                        "give devices with equal grants one object", name(), spaces_possible()));
    auto caches = std::make_unique<ContextCaches>(caches_);
    Member made{nullptr, nullptr, caches.get()};
    auto space = main().format() == TableFormat::stage2
                     ? make_space<paging::ArmStage2>(std::move(caches), main().format(), arena_, account)
                     : make_space<paging::ArmStage1NonSecure>(std::move(caches), main().format(), arena_, account);
    if (!space) return pass_on(std::move(space));
    made.handle = made.space = space->get();
    // Before take-over a number may be missing that an earlier instance uses; it is had when its contexts have ended.
    if (auto bound = bind(made); !bound && state_ != UnitState::untouched) {
        (void)made.space->release();
        return pass_on(std::move(bound));
    }
    members_.push_back(made);
    return std::unique_ptr<AddressSpace>(*std::move(space));
}

// The space gets a context, which is enabled when the unit is in use.
Result<void> IpmmuUnit::bind(Member& member) noexcept {
    SMMU_TRY(const std::uint16_t context, tags_.take(name()));
    member.caches->set_context(context);
    if (state_ != UnitState::containing) return {};
    auto done = caches_.enable(context, member.space->root());
    if (!done) hard_stop();
    return done;
}

// Nobody is tied to the context: it is forgotten and off before its tables go.
Result<void> IpmmuUnit::end_context(unsigned context) noexcept {
    SMMU_CHECK(caches_.working());
    if (!caches_.is_live(context)) return {};
    collect(context);
    auto done = caches_.disable(context);
    if (!done) hard_stop();
    return done;
}

Result<void> IpmmuUnit::retire(std::unique_ptr<AddressSpace> space) noexcept {
    const auto found = std::ranges::find(members_, space.get(), &Member::handle);
    SMMU_ASSERT(found != members_.end());
    const Member ending = *found;
    const unsigned context = ending.caches->context();
    SMMU_ASSERT(context == 0 || state_ != UnitState::containing || ties_of(context) == 0);
    auto ended = end_context(context);
    members_.erase(std::ranges::find(members_, space.get(), &Member::handle));
    auto released = ending.space->release();
    // Without the flush the context stays taken for ever: what is remembered under it may still be there.
    if (ended && released && context != 0) tags_.give_back(static_cast<std::uint16_t>(context));
    return ended ? std::move(released) : std::move(ended);
}

unsigned IpmmuUnit::ties_of(unsigned context) const {
    unsigned count = 0;
    for (const CacheUnit& cache : hardware_.caches)
        for (unsigned slot = 0; slot < cache.slots(); ++slot) count += cache.tied(slot) == context ? 1 : 0;
    return count;
}

// One write takes the micro-TLB from its old context to the new one: it is never off.
Result<void> IpmmuUnit::tie(StreamId stream, unsigned context) noexcept {
    CacheUnit& cache = hardware_.caches[topology::cache_of(stream)];
    const unsigned slot = topology::micro_tlb_number(stream);
    const auto old = cache.tied(slot);
    if (old == context) return {};
    if (!hardware_.has_power(cache))
        return fail(EIO, fmt::format("{}: {} lost its power domain {}; nobody may turn it off while the service runs", name(),
                                     cache.name(), ipmmu::name(cache.known().domain)));
    if (old) collect(*old);
    if (!cache.has_joined(context)) cache.join(context);
    switch (cache.tie(slot, context)) {
        case CacheUnit::Tied::yes: break;
        case CacheUnit::Tied::absent:
            return fail(EINVAL, fmt::format("{}: there is no {}: it does not read back what is written; the description is wrong",
                                            name(), describe(stream)));
        case CacheUnit::Tied::refused:
            return fail(EIO, fmt::format("{}: {} does not take context {}; the unit is stopped", name(), describe(stream), context));
    }
    // DMA that was translated by the old tables has to be over, too. Of empty tables nothing is remembered.
    return old && *old != refusing_.context ? caches_.forget(*old) : Result<void>();
}

Result<void> IpmmuUnit::change(StreamId stream, unsigned context, Recording recording) noexcept {
    if (state_ != UnitState::containing) return stopped();
    SMMU_CHECK(check(stream));
    if (auto done = tie(stream, context); !done) {
        if (done.error().code == EIO) caches_.failed();
        return done;
    }
    known_.insert(stream);
    if (recording == Recording::muted)
        muted_.insert(stream);
    else
        muted_.erase(stream);
    return {};
}

Result<void> IpmmuUnit::attach(StreamId stream, AddressSpace& space) noexcept {
    if (state_ != UnitState::containing) return stopped();
    const Member* const target = member(space);
    if (target == nullptr)
        return fail(EINVAL, fmt::format("{}: {}: the address space belongs to another unit", name(), describe(stream)));
    return change(stream, target->caches->context(), Recording::on);
}

Result<void> IpmmuUnit::block(StreamId stream, Recording recording) noexcept {
    return change(stream, refusing_.context, recording);
}

Result<void> IpmmuUnit::record(StreamId stream, Recording recording) noexcept {
    if (state_ != UnitState::containing) return stopped();
    SMMU_CHECK(check(stream));
    const auto tied = hardware_.caches[topology::cache_of(stream)].tied(topology::micro_tlb_number(stream));
    return change(stream, tied.value_or(refusing_.context), recording);
}

// All is closed before anything opens; what stays as it is is not touched.
Result<void> IpmmuUnit::leave(Kept kept) noexcept {
    if (state_ != UnitState::containing) return stopped();
    SMMU_TRY(const Wanted wanted, wanted_spaces(kept));
    for (std::size_t index = 0; index < hardware_.caches.size(); ++index) {
        const CacheUnit& cache = hardware_.caches[index];
        for (unsigned slot = 0; slot < cache.slots(); ++slot) {
            const StreamId stream = topology::micro_tlb(index, slot);
            const auto stays = wanted.find(stream);
            if (cache.tied(slot) && (stays == wanted.end() || stays->second == nullptr))
                SMMU_CHECK(change(stream, refusing_.context, Recording::on));
        }
    }
    for (const auto& [stream, space] : wanted)
        if (space != nullptr) SMMU_CHECK(change(stream, member(*space)->caches->context(), Recording::on));
    return caches_.forget_everything();
}

}  // namespace smmu::units::ipmmu

// SPDX-License-Identifier: Apache-2.0
#include "units/smmuv2/unit.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "paging/arm_stage1.hpp"
#include "paging/arm_stage2.hpp"

namespace smmu::units::smmuv2 {
namespace {

// Units with fewer banks have none to spare for streams that are muted.
constexpr unsigned least_banks_for_muting = 4;
constexpr std::size_t most_last_words = 64;

template <paging::Format F>
Result<std::unique_ptr<TableSpace>> make_space(std::unique_ptr<SpaceCaches> caches,
                                               const Features& features, memory::Arena& arena,
                                               memory::Account& account) {
    const paging::Geometry geometry{.levels = features.levels,
                                    .input_bits = features.input_bits,
                                    .leaf_sizes = features.leaf_sizes,
                                    .coherency = features.coherency};
    SMMU_TRY(auto table, paging::PageTable<F>::create(geometry, arena, account));
    return std::make_unique<PagedSpace<F>>(std::move(table), arena, std::move(caches));
}

}  // namespace

Result<std::unique_ptr<SmmuV2Unit>> SmmuV2Unit::create(std::unique_ptr<hw::Mmio> mmio,
                                                       const Features& features,
                                                       const topology::Unit& unit,
                                                       memory::Arena& arena,
                                                       memory::Account& account, Clock& clock) {
    const unsigned order = features.root_order();
    SMMU_TRY(memory::Frame table, arena.take(account, order));
    memory::publish(features.coherency, table.words(), memory::frame_bytes << order);
    std::unique_ptr<SmmuV2Unit> made(
        new SmmuV2Unit(std::move(mmio), features, unit, arena, clock, std::move(table)));
    // Spaces are made before take-over: their banks must not be those that an earlier instance's
    // streams use.
    if (const auto predecessor = find_predecessor(made->hardware_, arena, made->unknown_pass_))
        for (const std::uint16_t tag : predecessor->tags) made->tags_.reserve(tag);
    if (made->tags_.capacity() >= least_banks_for_muting) {
        if (const auto tag = made->tags_.take(made->name())) {
            made->muted_ = *tag;
            made->streams_.set_least_wanted(bank_of(*tag, features));
        }
    }
    return made;
}

SmmuV2Unit::SmmuV2Unit(std::unique_ptr<hw::Mmio> mmio, const Features& features,
                       const topology::Unit& unit, memory::Arena& arena, Clock& clock,
                       memory::Frame refusing_table)
    : arena_(arena),
      hardware_(std::move(mmio), features, unit.name, clock),
      capabilities_(capabilities_of(features, unit.host_address_bits)),
      unknown_pass_(unit.unknown_streams_pass),
      reserved_(unit.reserved_streams.begin(), unit.reserved_streams.end()),
      refusing_table_(std::move(refusing_table)),
      tags_("context banks", features.banks - features.first_bank + 1),
      streams_(hardware_),
      caches_(hardware_, *this) {}

// The hardware goes on walking what it was given: that frame stays as it is.
SmmuV2Unit::~SmmuV2Unit() {
    if (state_ == UnitState::untouched)
        arena_.discard(std::move(refusing_table_));
    else
        arena_.quarantine(std::move(refusing_table_));
}

std::unexpected<Error> SmmuV2Unit::stopped() const {
    if (state_ == UnitState::untouched)
        return fail(EINVAL, fmt::format("{}: not taken over yet", name()));
    return fail(EIO, fmt::format("{}: the unit was stopped after an error; it must be taken over "
                                 "again",
                                 name()));
}

const SmmuV2Unit::Member* SmmuV2Unit::member(const AddressSpace& space) const {
    const auto found = std::ranges::find(members_, &space, &Member::handle);
    return found == members_.end() ? nullptr : &*found;
}

// The space that a target leads to; nullptr where it refuses.
const SmmuV2Unit::Member* SmmuV2Unit::member_in(std::optional<Target> target) const {
    if (!target || target->type != StreamType::translate) return nullptr;
    const auto found = std::ranges::find(members_, tag_of(target->bank, features()), &Member::tag);
    return found == members_.end() ? nullptr : &*found;
}

// Every bank that translates while the unit contains.
std::vector<Bank> SmmuV2Unit::banks() const {
    std::vector<Bank> result;
    if (muted_) result.push_back({bank_of(*muted_, features()), refusing_table_.address()});
    for (const Member& member : members_) result.push_back(bank_for(member));
    return result;
}

// Where the banks that an earlier instance's streams use are needed, its streams cannot go on: they
// refuse for the moment of take-over.
Result<std::uint16_t> SmmuV2Unit::take_tag() {
    auto tag = tags_.take(name());
    if (tag || state_ != UnitState::untouched) return tag;
    tags_.forget_predecessors();
    return tags_.take(name());
}

Result<std::unique_ptr<AddressSpace>> SmmuV2Unit::create_space(memory::Account& account) {
    SMMU_TRY(const std::uint16_t tag, take_tag());
    auto caches = std::make_unique<TagCaches>(caches_, tag);
    auto space =
        features().stage == Stage::second
            ? make_space<paging::ArmStage2>(std::move(caches), features(), arena_, account)
            : make_space<paging::ArmStage1>(std::move(caches), features(), arena_, account);
    if (!space) {
        tags_.give_back(tag);
        return pass_on(std::move(space));
    }
    const Member made{space->get(), space->get(), tag};
    if (state_ == UnitState::containing) {
        // The tag stays taken: the bank is not to be had.
        if (auto on = switch_on(hardware_, bank_for(made)); !on) {
            (void)(*space)->release();
            return pass_on(std::move(on));
        }
    }
    members_.push_back(made);
    return std::unique_ptr<AddressSpace>(*std::move(space));
}

Result<void> SmmuV2Unit::retire(std::unique_ptr<AddressSpace> space) noexcept {
    const auto found = std::ranges::find(members_, space.get(), &Member::handle);
    SMMU_ASSERT(found != members_.end());
    const Member ending = *found;
    members_.erase(found);
    if (state_ == UnitState::containing) {
        const unsigned bank = bank_of(ending.tag, features());
        SMMU_ASSERT(!streams_.lead_to(bank));
        const auto fault = take_bank_fault(hardware_, bank);
        if (fault && fault->refusal && last_words_.size() < most_last_words)
            last_words_.push_back(*fault->refusal);
        switch_off(hardware_, bank);
    }
    auto released = ending.space->release();
    // Without the flush the bank stays taken for ever: what is cached under its tag may still be
    // there.
    if (released) tags_.give_back(ending.tag);
    return released;
}

// A stream goes from bank to bank by one store. DMA that was translated by the old tables has to be
// over, too.
Result<void> SmmuV2Unit::change(StreamId stream, std::optional<unsigned> bank) noexcept {
    const Member* const left = member_in(streams_.target_of(stream));
    if (bank) {
        SMMU_CHECK(streams_.point(stream, Target::to(*bank)));
        if (unknown_pass_) streams_.pin(stream);
    } else {
        SMMU_CHECK(refuse(stream));
    }
    muted_streams_.erase(stream);
    if (left == nullptr || (bank && *bank == bank_of(left->tag, features()))) return {};
    return caches_.forget(left->tag);
}

// A stream without a group refuses, but where streams that nobody knows pass: there it refuses by
// one of its own.
Result<void> SmmuV2Unit::refuse(StreamId stream) noexcept {
    if (unknown_pass_) {
        SMMU_CHECK(streams_.point(stream, {}));
        streams_.pin(stream);
    }
    streams_.close(stream);
    return {};
}

Result<void> SmmuV2Unit::check_space(StreamId stream, const Member* found) const {
    if (found == nullptr)
        return fail(EINVAL, fmt::format("{}: stream {:#x}: the address space belongs to another "
                                        "unit",
                                        name(), raw(stream)));
    return {};
}

Result<void> SmmuV2Unit::attach(StreamId stream, AddressSpace& space) noexcept {
    if (state_ != UnitState::containing) return stopped();
    const Member* const target = member(space);
    SMMU_CHECK(check_space(stream, target));
    SMMU_CHECK(streams_.check(stream));
    return change(stream, bank_of(target->tag, features()));
}

// What is muted is recorded in a bank that nobody reads. Without such a bank, or a match register
// for the stream, it goes on being recorded.
Result<void> SmmuV2Unit::block(StreamId stream, Recording recording) noexcept {
    if (state_ != UnitState::containing) return stopped();
    SMMU_CHECK(streams_.check(stream));
    if (recording == Recording::muted && muted_) {
        auto muted = change(stream, bank_of(*muted_, features()));
        if (muted || muted.error().code != ENOSPC) return muted;
    }
    return change(stream, std::nullopt);
}

// All streams of a space are recorded in one place, so what a muted one records is dropped.
Result<void> SmmuV2Unit::record(StreamId stream, Recording recording) noexcept {
    if (state_ != UnitState::containing) return stopped();
    if (member_in(streams_.target_of(stream)) == nullptr) return block(stream, recording);
    if (recording == Recording::muted)
        muted_streams_.insert(stream);
    else
        muted_streams_.erase(stream);
    return {};
}

void SmmuV2Unit::take_record(const std::optional<Fault>& fault, RefusalSink& sink,
                             Drained& drained) noexcept {
    if (!fault) return;
    drained.more = true;
    if (fault->several) ++drained.lost;
    if (!fault->refusal || muted_streams_.contains(fault->refusal->stream)) return;
    ++drained.seen;
    sink.refused(*fault->refusal);
}

// Each place holds one fault; behind it the next one may be waiting.
Drained SmmuV2Unit::drain(RefusalSink& sink) noexcept {
    Drained drained;
    if (state_ == UnitState::untouched) return drained;
    for (const Refusal& refusal : last_words_) sink.refused(refusal);
    drained.seen = last_words_.size();
    last_words_.clear();
    take_record(take_global_fault(hardware_), sink, drained);
    for (const Member& member : members_)
        take_record(take_bank_fault(hardware_, bank_of(member.tag, features())), sink, drained);
    return drained;
}

Result<void> SmmuV2Unit::leave(Kept kept) noexcept {
    if (state_ != UnitState::containing) return stopped();
    SMMU_TRY(const Wanted wanted, wanted_streams(kept));
    // All is closed before anything opens; what stays as it is is not touched.
    for (const StreamId stream : streams_.present())
        if (const auto found = wanted.find(stream); found == wanted.end() || !found->second)
            SMMU_CHECK(change(stream, std::nullopt));
    for (const auto& [stream, bank] : wanted)
        if (bank) SMMU_CHECK(change(stream, bank));
    return caches_.forget_everything();
}

}  // namespace smmu::units::smmuv2

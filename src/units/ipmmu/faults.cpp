// SPDX-License-Identifier: Apache-2.0
// Faults: the hardware names a context and an address. Whose they were is known when one micro-TLB alone is tied to the
// context; so what was met under a tie is collected before the tie goes.
#include <algorithm>

#include "units/ipmmu/unit.hpp"

namespace smmu::units::ipmmu {
namespace {

constexpr std::size_t most_collected = 64;
constexpr std::uint32_t bad_format = 1, access_permission = 4, secure_access = 5;  // of IMSTR.ERRCODE

struct Meaning {
    Refusal::Reason reason;
    const char* text;
};

Meaning meaning_of(hw::Bits<FaultStatus> status) {
    using enum Refusal::Reason;
    if (status.has(FaultStatus::multiple_hit)) return {configuration, "two translations of one address (MHIT)"};
    if (status.has(FaultStatus::abort)) return {configuration, "tables could not be read (ABORT)"};
    if (status[FaultStatus::code] == bad_format) return {configuration, "bad descriptor (ERRCODE 1)"};
    if (status[FaultStatus::code] == secure_access) return {configuration, "secure access (ERRCODE 5)"};
    if (status.has(FaultStatus::permission)) return {permission, "permission fault (PF)"};
    if (status.has(FaultStatus::translation)) return {not_mapped, "translation fault (TF)"};
    return {other, "unknown fault"};
}

}  // namespace

bool IpmmuUnit::is_muted(unsigned context) const {
    if (muted_.empty()) return false;
    for (std::size_t index = 0; index < hardware_.caches.size(); ++index)
        for (unsigned slot = 0; slot < hardware_.caches[index].slots(); ++slot)
            if (hardware_.caches[index].tied(slot) == context && !muted_.contains(topology::micro_tlb(index, slot))) return false;
    return true;
}

// Of several streams the lowest that somebody knows, else the lowest.
Refusal IpmmuUnit::decode(unsigned context, const Fault& fault) const {
    const Meaning meaning = meaning_of(fault.status);
    std::optional<StreamId> lowest, lowest_known;
    unsigned ties = 0;
    for (std::size_t index = 0; index < hardware_.caches.size(); ++index)
        for (unsigned slot = 0; slot < hardware_.caches[index].slots(); ++slot) {
            if (hardware_.caches[index].tied(slot) != context) continue;
            const StreamId stream = topology::micro_tlb(index, slot);
            ++ties;
            if (!lowest) lowest = stream;
            if (!lowest_known && known_.contains(stream)) lowest_known = stream;
        }
    Refusal refusal;
    refusal.stream = lowest_known.value_or(lowest.value_or(StreamId{}));
    refusal.stream_known = ties == 1;
    refusal.address = Iova{fault.address};
    refusal.reason = meaning.reason;
    refusal.stage = static_cast<std::uint8_t>(main().format());
    refusal.raw = {fault.status.raw(), fault.address & 0xffff'ffff, fault.address >> 32, context};
    refusal.hardware_text = meaning.text;
    // What stage 1 maps can be read: only a write can lack permission.
    if (main().format() == TableFormat::stage1 && meaning.reason == Refusal::Reason::permission &&
        fault.status[FaultStatus::code] == access_permission)
        refusal.access = Access::write;
    return refusal;
}

void IpmmuUnit::collect(unsigned context) noexcept {
    const auto fault = caches_.is_live(context) ? main().take_fault(context) : std::nullopt;
    if (!fault || is_muted(context)) return;
    if (collected_.size() < most_collected)
        collected_.push_back(decode(context, *fault));
    else
        ++lost_;
}

// One refusal for each context; what came while the record was full nobody counted.
Drained IpmmuUnit::drain(RefusalSink& sink) noexcept {
    if (state_ == UnitState::untouched) return {};
    for (unsigned context = 1; context < main().places().contexts(); ++context) collect(context);
    const Drained drained{.seen = collected_.size(), .lost = std::exchange(lost_, 0), .more = false};
    for (const Refusal& refusal : std::exchange(collected_, {})) sink.refused(refusal);
    return drained;
}

}  // namespace smmu::units::ipmmu

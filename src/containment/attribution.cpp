// SPDX-License-Identifier: Apache-2.0
#include "containment/attribution.hpp"

#include <algorithm>

namespace smmu::containment {
namespace {

// How many windows of 4 GiB that hold grants are searched for an address whose upper half was lost.
constexpr int truncation_windows = 4096;

// What the devices of the situation may do in the granule of `address`; nothing when it is not
// opened.
std::optional<Access> opened(const Situation& situation, Iova address) {
    std::optional<Access> access;
    const IovaRange granule =
        IovaRange{address, address}.rounded_out(situation.owner->granule_log2);
    situation.owner->grants.for_each_in(granule, [&](IovaRange, const Grant& grant) {
        access = access.value_or(Access::none) | grant.access();
    });
    if (situation.extras != nullptr)
        if (const auto extra = situation.extras->at(address))
            access = access.value_or(Access::none) | extra->access;
    return access;
}

bool next_to_a_grant(const Situation& situation, Iova address) {
    const IovaRange granule =
        IovaRange{address, address}.rounded_out(situation.owner->granule_log2);
    return (granule.first.value != 0 && opened(situation, granule.first - 1)) ||
           (granule.last != all_addresses.last && opened(situation, granule.last + 1));
}

bool is_low_half_of_a_grant(const Object& owner, Iova address) {
    if (address.value >> 32 != 0) return false;
    constexpr std::uint64_t last_window = ~std::uint64_t{0} >> 32;
    std::uint64_t window = 1;
    for (int tried = 0; tried < truncation_windows && window <= last_window; ++tried, ++window) {
        const auto next = owner.grants.from(Iova{window << 32});
        if (next == owner.grants.end()) return false;
        window = std::max(window, next->range.first.value >> 32);
        if (owner.grants.find(Iova{window << 32 | address.value})) return true;
    }
    return false;
}

bool is_protected(const Situation& situation, Iova address) {
    const PhysRange memory =
        PhysRange{{address.value}, {address.value}}.rounded_out(situation.owner->granule_log2);
    return (situation.never_grantable && situation.never_grantable->contains(address)) ||
           (situation.protected_memory != nullptr &&
            situation.protected_memory->met_by(memory) != nullptr);
}

}  // namespace

Attribution attribute(const units::Refusal& refusal, const Situation& situation) {
    using Reason = units::Refusal::Reason;
    if (refusal.reason == Reason::configuration) return {Cause::unit_configuration};
    if (!situation.stream_known) return {Cause::unknown_stream};
    if (situation.owner == nullptr) return {Cause::not_attached};
    if (!refusal.address_known)
        return {refusal.reason == Reason::permission ? Cause::permission : Cause::never_granted};

    const Object& owner = *situation.owner;
    const auto access = opened(situation, refusal.address);
    if (!access && is_protected(situation, refusal.address)) return {Cause::protected_memory};
    if (access && !permits(*access, refusal.access)) return {Cause::permission};
    if (access && situation.moving) return {Cause::in_change};
    if (owner.in_change.holds(refusal.address)) return {Cause::in_change};
    if (const auto when = owner.history.last_removal(refusal.address))
        return {Cause::after_removal, situation.now - *when};
    if (access) return {Cause::never_granted};  // it was not, when it was refused
    if (next_to_a_grant(situation, refusal.address)) return {Cause::overrun};
    if (is_low_half_of_a_grant(owner, refusal.address)) return {Cause::truncated};
    return {Cause::never_granted};
}

std::string_view name(Cause cause) {
    switch (cause) {
        case Cause::unit_configuration:
            return "unit-configuration";
        case Cause::unknown_stream:
            return "unknown-stream";
        case Cause::not_attached:
            return "not-attached";
        case Cause::protected_memory:
            return "protected";
        case Cause::permission:
            return "permission";
        case Cause::in_change:
            return "in-change";
        case Cause::after_removal:
            return "after-removal";
        case Cause::overrun:
            return "overrun";
        case Cause::truncated:
            return "truncated";
        case Cause::never_granted:
            return "never-granted";
        case Cause::device_gone:
            return "device-gone";
    }
    return "never-granted";
}

}  // namespace smmu::containment

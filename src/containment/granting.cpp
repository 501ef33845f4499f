// SPDX-License-Identifier: Apache-2.0
#include "containment/granting.hpp"

#include <fmt/format.h>

#include "containment/grant_rules.hpp"

namespace smmu::containment {
namespace {

// The grants inside some windows as they were; put back unless kept.
class Before {
public:
    Before(Object& object, const Windows& windows) : object_(object), windows_(windows) {
        for (const IovaRange& window : windows)
            object.grants.for_each_in(window, [&](IovaRange part, const Grant& grant) {
                parts_.push_back({part, grant});
            });
    }
    Before(const Before&) = delete;
    Before& operator=(const Before&) = delete;
    ~Before() {
        if (kept_) return;
        for (const IovaRange& window : windows_) object_.grants.erase(window);
        for (const Part& part : parts_) object_.grants.assign(part.range, part.grant);
    }
    void keep_the_change() { kept_ = true; }
    std::vector<std::shared_ptr<HeldMemory>> memory() const {
        std::vector<std::shared_ptr<HeldMemory>> result;
        for (const Part& part : parts_)
            if (part.grant.memory) result.push_back(part.grant.memory);
        return result;
    }

private:
    struct Part {
        IovaRange range;
        Grant grant;
    };
    Object& object_;
    const Windows& windows_;
    std::vector<Part> parts_;
    bool kept_ = false;
};

Result<void> check_request(const Client& client, const GrantRequest& request) {
    if (request.access == Access::none) return {};
    if (request.translated && !request.memory && !client.identity.abilities.target)
        return fail(EPERM, fmt::format("{} has no ability to choose device addresses (target)",
                                       client.identity.command));
    for (const GrantRequest::Piece& piece : request.pieces) {
        const std::uint64_t beyond_first =
            piece.device_addresses.last - piece.device_addresses.first;
        if (beyond_first > ~std::uint64_t{0} - piece.physical.value)
            return fail(EINVAL, fmt::format("{:#x} and what follows wraps past the top of memory",
                                            piece.physical.value));
        if (!request.translated && !request.memory &&
            piece.physical.value != piece.device_addresses.first.value)
            return fail(EINVAL, "without a target a device address is the physical address");
    }
    return {};
}

void write_down(Object& object, const GrantRequest& request) {
    for (const GrantRequest::Piece& piece : request.pieces) {
        if (request.access == Access::none)
            object.grants.erase(piece.device_addresses);
        else
            object.grants.assign(piece.device_addresses,
                                 {piece.physical, request.access, request.memory});
    }
}

Windows touched_by(const GrantRequest& request, unsigned granule_log2) {
    std::vector<IovaRange> ranges;
    ranges.reserve(request.pieces.size());
    for (const GrantRequest::Piece& piece : request.pieces)
        ranges.push_back(piece.device_addresses);
    return windows_of(std::move(ranges), granule_log2);
}

// What was open in the windows and is no more, to tell a late access from one that was never
// allowed.
void remember_removals(State& state, Object& object, const Windows& windows,
                       const GranuleMap& opened_before) {
    const auto after = rounded_out(object.grants, windows, object.granule_log2);
    SMMU_ASSERT(after.has_value());
    const Instant now = state.clock.now();
    for (const auto& piece : opened_before)
        after->for_each_gap_in(piece.range, [&](IovaRange gone) { object.history.add(gone, now); });
}

Result<void> charge(const State& state, User& user, Object& object, bool removal) {
    const std::uint64_t others = user.grants - object.grants_charged;
    if (!removal && object.grants.size() > object.grants_charged &&
        others + object.grants.size() > state.policy.grants_per_user)
        return fail(EDQUOT, fmt::format("this user may hold {} separate grants; remove some first",
                                        state.policy.grants_per_user));
    return {};
}

}  // namespace

Result<std::shared_ptr<Work>> change_grants(State& state, Client& client, Object& object,
                                            GrantRequest&& request) {
    SMMU_CHECK(finish(object));
    const bool removal = request.access == Access::none;
    SMMU_CHECK(check_request(client, request));
    const Windows windows = touched_by(request, object.granule_log2);
    const auto opened_before = rounded_out(object.grants, windows, object.granule_log2);
    SMMU_ASSERT(opened_before.has_value());

    Before before(object, windows);
    write_down(object, request);
    SMMU_CHECK(charge(state, *client.user, object, removal));
    if (!removal) SMMU_CHECK(check_grants(state, client, object, windows));
    Preparation preparation(state, object);
    SMMU_CHECK(preparation.prepare(
        windows, removal ? Preparation::On::shortage_closes : Preparation::On::shortage_fails));

    before.keep_the_change();
    client.user->grants += object.grants.size() - object.grants_charged;
    object.grants_charged = object.grants.size();
    remember_removals(state, object, windows, *opened_before);
    object.work =
        std::make_shared<Work>(state, object.id, preparation.take(), before.memory());
    return object.work;
}

void reopen_starved(State& state, Object& object) noexcept {
    if (object.starved.empty() || object.work) return;
    const Windows windows = windows_of(std::exchange(object.starved, {}), object.granule_log2);
    Preparation preparation(state, object);
    if (!preparation.prepare(windows, Preparation::On::shortage_fails)) {
        object.starved = windows;
        return;
    }
    object.work = std::make_shared<Work>(state, object.id, preparation.take());
    (void)finish(object);  // a unit that failed says so itself
}

}  // namespace smmu::containment

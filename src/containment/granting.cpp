// SPDX-License-Identifier: Apache-2.0
#include "containment/granting.hpp"

#include <fmt/format.h>

#include "containment/grant_rules.hpp"

namespace smmu::containment {
namespace {

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

// What a request writes over, in windows that hold all of it.
class Rewriting {
public:
    // A part of a grant.
    struct Part {
        IovaRange range;
        Grant grant;
    };
    using Parts = ShortList<Part, 2>;

    // The grants are as the request wants them from here on, so that every further question about them is asked of
    // themselves; they are put back unless the change is kept.
    Rewriting(Grants& grants, const Windows& windows, const GrantRequest& request, MemoryNumber memory)
        : grants_(grants), windows_(windows) {
        for (const IovaRange& window : windows)
            grants.for_each_in(window, [&](IovaRange range, const Grant& grant) { before_.push_back({range, grant}); });
        for (const GrantRequest::Piece& piece : request.pieces) {
            if (request.access == Access::none)
                grants.erase(piece.device_addresses);
            else
                grants.assign(piece.device_addresses, {piece.physical, request.access, memory});
        }
    }
    Rewriting(const Rewriting&) = delete;
    Rewriting& operator=(const Rewriting&) = delete;
    ~Rewriting() {
        if (kept_) return;
        for (const IovaRange& window : windows_) grants_.erase(window);
        for (const Part& part : before_) grants_.assign(part.range, part.grant);
    }
    void keep_the_change() { kept_ = true; }
    const Parts& before() const { return before_; }  // ascending

private:
    Grants& grants_;
    const Windows& windows_;
    Parts before_;
    bool kept_ = false;
};

Windows touched_by(const GrantRequest& request, unsigned granule_log2) {
    ShortList<IovaRange, 2> ranges;
    ranges.reserve(request.pieces.size());
    for (const GrantRequest::Piece& piece : request.pieces)
        ranges.push_back(piece.device_addresses);
    return windows_of(std::move(ranges), granule_log2);
}

// To tell a late access from one that was never allowed.
void remember_removals(const State& state, Object& object, const Runs& before, const Runs& after) {
    if (before == after) return;
    const Instant now = state.clock.now();
    for (const IovaRange& gone : vanished(before, after)) object.history.add(gone, now);
}

// `held`: how many grants the object has after the change. Removals may split grants beyond what a user may ask for, but not
// without end: a larger removal is always possible.
Result<void> charge(const State& state, const User& user, const Object& object, std::uint64_t held, bool removal) {
    const std::uint64_t others = user.grants - object.grants_charged;
    const std::uint64_t most = removal ? 2 * state.policy.grants_per_user : state.policy.grants_per_user;
    if (held > object.grants_charged && others + held > most)
        return fail(EDQUOT, fmt::format("this user may hold {} separate grants; remove some first",
                                        state.policy.grants_per_user));
    return {};
}

// Counts what of held memory is granted after a change inside the windows. Returns the memory that is granted no
// more, to be let go when it is out of reach.
HeldMemories::Held recount(HeldMemories& memories, const Windows& windows, const Rewriting::Parts& before,
                           const Grants& after) {
    if (memories.empty()) return {};
    for (const IovaRange& window : windows)
        after.for_each_in(window, [&](IovaRange part, const Grant& grant) {
            if (grant.memory() != MemoryNumber::none) memories.granted(grant.memory(), part.length());
        });
    HeldMemories::Held unused;
    for (const auto& [part, grant] : before) {
        if (grant.memory() == MemoryNumber::none) continue;
        memories.removed(grant.memory(), part.length());
        if (auto memory = memories.take_unused(grant.memory())) unused.push_back(std::move(memory));
    }
    return unused;
}

Result<std::shared_ptr<Work>> change(State& state, Client& client, Object& object, const GrantRequest& request,
                                     MemoryNumber memory) {
    const bool removal = request.access == Access::none;
    const Windows windows = touched_by(request, object.granule_log2);
    SMMU_TRY(const Runs opened_before, rounded_out(object.grants, windows, object.granule_log2));
    Rewriting rewriting(object.grants, windows, request, memory);
    const std::uint64_t held = object.grants.size();
    SMMU_CHECK(charge(state, *client.user, object, held, removal));
    if (!removal) SMMU_CHECK(check_grants(state, client, object, object.grants, windows));
    SMMU_TRY(const Runs opened_after, rounded_out(object.grants, windows, object.granule_log2));
    Preparation preparation(state, object);
    SMMU_CHECK(preparation.prepare(windows, opened_before, opened_after,
                                   removal ? Preparation::On::shortage_closes : Preparation::On::shortage_fails,
                                   Preparation::Ahead::cannot_fail));

    rewriting.keep_the_change();
    auto unused = recount(object.memories, windows, rewriting.before(), object.grants);
    // Memory that came with the request and of which nothing was granted.
    if (auto nothing_granted = object.memories.take_unused(memory)) unused.push_back(std::move(nothing_granted));
    client.user->grants += held - object.grants_charged;
    object.grants_charged = held;
    remember_removals(state, object, opened_before, opened_after);
    object.work = std::make_shared<Work>(state, object.id, preparation.take(), std::move(unused));
    return object.work;
}

// What lack of tables keeps closed, so many ranges of it.
Windows starved_windows(const State& state, const Object& object, std::size_t most) {
    ShortList<IovaRange, 2> ranges;
    for (const Space* space : state.spaces.of(object.id))
        for (const auto& piece : space->starved) {
            if (ranges.size() == most) break;
            ranges.push_back(piece.range);
        }
    return windows_of(std::move(ranges), object.granule_log2);
}

}  // namespace

Result<std::shared_ptr<Work>> change_grants(State& state, Client& client, Object& object,
                                            GrantRequest&& request) {
    SMMU_CHECK(finish(object));
    SMMU_CHECK(check_request(client, request));
    const MemoryNumber memory = object.memories.add(request.memory);
    auto work = change(state, client, object, request, memory);
    if (!work) object.memories.take_unused(memory);
    return work;
}

void reopen_starved(State& state, Object& object) noexcept {
    if (object.work) return;
    const bool starved = std::ranges::any_of(state.spaces.of(object.id), [](const Space* space) { return !space->starved.empty(); });
    const std::size_t most = starved ? object.reopening.turn() : 0;
    if (most == 0) return;
    const Windows windows = starved_windows(state, object, most);
    const auto opened = rounded_out(object.grants, windows, object.granule_log2);
    SMMU_ASSERT(opened.has_value());
    Preparation preparation(state, object);
    if (!preparation.prepare(windows, *opened, *opened, Preparation::On::shortage_fails)) return object.reopening.failed();
    object.reopening.opened();
    for (Space* space : state.spaces.of(object.id))
        for (const IovaRange& window : windows) space->starved.erase(window);
    object.work = std::make_shared<Work>(state, object.id, preparation.take());
    (void)finish(object);  // a unit that failed says so itself
}

}  // namespace smmu::containment

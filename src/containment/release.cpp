// SPDX-License-Identifier: Apache-2.0
#include "containment/release.hpp"

#include <algorithm>

#include "containment/refusals.hpp"
#include "containment/switching.hpp"
#include "containment/work.hpp"

namespace smmu::containment {
namespace {

// Groups whose streams are on spaces of the object, or that are about to be.
std::vector<GroupId> groups_of(const State& state, std::span<const ObjectId> objects) {
    std::vector<GroupId> result;
    const auto is_one = [&](std::optional<ObjectId> id) {
        return id && std::ranges::find(objects, *id) != objects.end();
    };
    for (std::size_t g = 0; g < state.groups.count(); ++g) {
        const GroupId group{std::uint32_t(g)};
        if (is_one(state.groups.of(group).attached) || is_one(state.groups.claimed_by(group)))
            result.push_back(group);
    }
    return result;
}

// Objects besides these on whose tables some of the groups are still: somebody was taking them over.
std::vector<ObjectId> others_attached(const State& state, std::span<const GroupId> groups, std::span<const ObjectId> objects) {
    std::vector<ObjectId> others;
    for (const GroupId group : groups)
        if (const auto attached = state.groups.of(group).attached; attached && std::ranges::find(objects, *attached) == objects.end())
            others.push_back(*attached);
    return others;
}

void drop_grants(State& state, Object& object) {
    if (object.unconfirmed) std::ranges::move(object.memories.all(), std::back_inserter(state.unconfirmed_memory));
    User& user = *state.clients.find(object.client)->user;
    user.grants -= object.grants_charged;
    --user.objects;
}

}  // namespace

Result<void> release_objects(State& state, std::span<const ObjectId> objects,
                             Ending ending) noexcept {
    Switching switching(state);
    Result<void> result;
    const auto keep = [&](Result<void>&& next) {
        if (result && !next) result = std::move(next);
    };
    const std::vector<GroupId> groups = groups_of(state, objects);
    // What was refused until now is this owner's. Of a dead one only what a single look finds: its memory
    // may be somebody else's already.
    if (ending == Ending::by_death) {
        for (const GroupId group : groups) switching.bus_master_off(group);
        if (!groups.empty()) (void)drain_once(state);
    } else {
        drain_fully(state);
    }
    const std::vector<ObjectId> left = others_attached(state, groups, objects);
    for (const GroupId group : groups) keep(switching.fall_back(group));
    for (const ObjectId id : left) {
        (void)finish(*state.find(id));  // what it prepared is for tables that may end here
        keep(switching.retire_unused(*state.find(id)));
    }
    if (ending == Ending::by_death)
        for (const GroupId group : groups) switching.begin_reset(group);

    for (const ObjectId id : objects) {
        Object& object = *state.find(id);
        if (object.work) object.work->cancel();
        for (const DeviceIndex index : object.devices) state.groups.device(index).object.reset();
        object.devices.clear();
        keep(switching.retire_unused(object));
        drop_grants(state, object);
    }
    for (const GroupId group : groups) switching.let_go(group);
    for (const ObjectId id : objects) state.objects.erase(id);
    ++state.ownership;
    return result;
}

Result<void> release_device(State& state, DeviceIndex index) noexcept {
    Object& object = *state.find(*state.groups.device(index).object);
    SMMU_CHECK(finish(object));
    drain_fully(state);  // what was refused until now is this owner's
    state.groups.device(index).object.reset();
    object.devices.erase(index);
    Switching switching(state);
    Result<void> result;
    const GroupId group = state.device(index).group;
    if (!state.groups.claimed_by(group)) result = switching.fall_back(group);
    auto retired = switching.retire_unused(object);
    switching.let_go(group);
    state.membership_changed(object);
    return result ? std::move(retired) : std::move(result);
}

}  // namespace smmu::containment

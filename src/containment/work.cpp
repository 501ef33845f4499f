// SPDX-License-Identifier: Apache-2.0
#include "containment/work.hpp"

#include "containment/refusals.hpp"
#include "containment/switching.hpp"

namespace smmu::containment {

Work::Work(State& state, ObjectId object, std::vector<SpaceChange> changes)
    : state_(&state), object_(object), changes_(std::move(changes)) {
    Object& owner = *state.find(object);
    for (const SpaceChange& change : changes_)
        for (const IovaRange& range : change.plan.disturbed) owner.in_change.push_back({range});
}

void Work::then_open(std::vector<GroupId> groups, std::vector<DeviceIndex> claimed) {
    opening_ = std::move(groups);
    claimed_ = std::move(claimed);
}

void Work::carried_out(SpaceChange& change) {
    Space& space = *state_->spaces.find(change.space);
    apply(space.contents, change.difference);
    for (const IovaRange& closed : change.plan.starved) {
        space.contents.erase(closed);
        state_->find(object_)->starved.push_back(closed);
    }
}

units::Progress Work::step(units::Budget& budget) noexcept {
    if (over()) return units::Progress::done;
    while (next_ < changes_.size()) {
        SpaceChange& change = changes_[next_];
        auto progress = state_->spaces.find(change.space)->tables->commit(change.plan, budget);
        if (progress && *progress == units::Progress::more) return units::Progress::more;
        if (!progress && result_) result_ = pass_on(std::move(progress));
        carried_out(change);
        ++next_;
    }
    if (!opening_.empty() && result_) open_groups();
    if (!opening_.empty() && !result_) give_up_groups();
    conclude();
    return units::Progress::done;
}

// What is refused up to now is attributed to the state it was refused in; then all groups are
// closed, then opened.
void Work::open_groups() noexcept {
    drain_fully(*state_);
    Switching switching(*state_);
    const Object& object = *state_->find(object_);
    std::vector<ObjectId> left;
    for (const GroupId id : opening_) {
        GroupState& group = state_->groups.of(id);
        const bool hand_over =
            group.last_owner && *group.last_owner != object.client && !group.quiet;
        if (hand_over) switching.bus_master_off(id);
        if (group.attached) left.push_back(*group.attached);
        group.moving = group.attached.has_value();
        if (auto closed = switching.fall_back(id); !closed && result_) result_ = std::move(closed);
        if (hand_over) switching.reset(id);
    }
    for (const GroupId id : opening_)
        if (result_) result_ = switching.open(id, object);
    for (const ObjectId id : left)
        if (auto retired = switching.retire_unused(*state_->find(id)); !retired && result_)
            result_ = std::move(retired);
}

// The devices end with no owner: hardware failed, and what it opens cannot be said to be what was
// asked.
void Work::give_up_groups() noexcept {
    Switching switching(*state_);
    Object& object = *state_->find(object_);
    for (const DeviceIndex index : claimed_) {
        state_->groups.device(index).object.reset();
        object.devices.erase(index);
    }
    for (const GroupId id : opening_) {
        const auto left = state_->groups.of(id).attached;
        (void)switching.fall_back(id);  // the result says EIO already
        if (left && *left != object_) (void)switching.retire_unused(*state_->find(*left));
    }
    (void)switching.retire_unused(object);
    state_->membership_changed(object);
}

void Work::conclude() noexcept {
    Object& object = *state_->find(object_);
    if (!result_) object.unconfirmed = true;
    if (object.unconfirmed) {
        auto& kept = state_->unconfirmed_memory;
        kept.insert(kept.end(), memory_.begin(), memory_.end());
        if (result_)
            result_ = fail(
                EIO,
                "a unit did not confirm an earlier removal of this object; treat its memory as "
                "reachable until the device is reset");
    }
    memory_.clear();
    for (Object::InChange& change : object.in_change) change.over = true;
    state_ = nullptr;
    // Last: the object may hold the only reference.
    const auto self = std::move(object.work);
}

void Work::cancel() noexcept {
    if (over()) return;
    for (; next_ < changes_.size(); ++next_)
        if (Space* space = state_->spaces.find(changes_[next_].space); space != nullptr)
            space->tables->abandon(std::move(changes_[next_].plan));
    result_ = fail(ECANCELED, "the object was destroyed before its change was carried out");
    state_ = nullptr;
}

void finish(Object& object) noexcept {
    const std::shared_ptr<Work> work = object.work;
    units::Budget unlimited;
    while (work && work->step(unlimited) == units::Progress::more) unlimited = {};
}

}  // namespace smmu::containment

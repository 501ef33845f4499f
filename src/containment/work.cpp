// SPDX-License-Identifier: Apache-2.0
#include "containment/work.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "containment/refusals.hpp"
#include "containment/switching.hpp"

namespace smmu::containment {

Work::Work(State& state, ObjectId object, std::vector<SpaceChange> changes,
           std::vector<std::shared_ptr<HeldMemory>> memory)
    : state_(&state), object_(object), changes_(std::move(changes)) {
    Object& owner = *state.find(object);
    for (const SpaceChange& change : changes_)
        for (const IovaRange& range : change.plan.disturbed()) owner.in_change.add(range);
    remove(std::move(memory));
}

void Work::remove(std::vector<std::shared_ptr<HeldMemory>> memory) noexcept {
    for (SpaceChange& change : changes_) {
        units::Budget no_additions{0};
        auto progress = state_->spaces.find(change.space)->tables->commit(change.plan, no_additions);
        if (!progress && result_) result_ = pass_on(std::move(progress));
        if (!change.confirmed && result_) result_ = std::move(change.confirmed);
    }
    Object& object = *state_->find(object_);
    if (!result_) object.unconfirmed = true;
    auto& kept = state_->unconfirmed_memory;
    if (object.unconfirmed) kept.insert(kept.end(), memory.begin(), memory.end());
}

void Work::then_open(std::vector<GroupId> groups, std::vector<DeviceIndex> claimed) {
    opening_ = std::move(groups);
    claimed_ = std::move(claimed);
}

void Work::carried_out(const SpaceChange& change, GranuleSet& starved) {
    for (const paging::Map& opened : change.difference.additions) {
        if (starved.empty()) break;
        starved.erase(opened.range);
    }
    for (const IovaRange& closed : change.starved) starved.assign(closed, {});
    for (const IovaRange& closed : change.plan.starved()) starved.assign(closed, {});
}

units::Progress Work::step(units::Budget& budget) noexcept {
    if (over()) return units::Progress::done;
    while (next_ < changes_.size()) {
        SpaceChange& change = changes_[next_];
        Space& space = *state_->spaces.find(change.space);
        auto progress = space.tables->commit(change.plan, budget);
        if (progress && *progress == units::Progress::more) return units::Progress::more;
        if (!progress && result_) result_ = pass_on(std::move(progress));
        carried_out(change, space.starved);
        ++next_;
    }
    if (!opening_.empty()) {
        if (result_ && !closed_) close_groups();
        if (result_ && waits_for_reset()) return units::Progress::more;
        if (result_) open_groups();
        if (!result_) give_up_groups();
    }
    conclude();
    return units::Progress::done;
}

bool Work::waits_for_reset() const noexcept {
    return closed_ && !over() && std::ranges::any_of(opening_, [&](GroupId id) {
               return Switching(*state_).resetting(id);
           });
}

// What is refused up to now is attributed to the state it was refused in. All groups are closed
// before one opens, and all are quiet before one is reset.
void Work::close_groups() noexcept {
    closed_ = true;
    drain_fully(*state_);
    Switching switching(*state_);
    const Object& object = *state_->find(object_);
    std::vector<ObjectId> left;
    std::vector<GroupId> handed_over;
    for (const GroupId id : opening_) {
        GroupState& group = state_->groups.of(id);
        if (!group.quiet && group.last_owner != object.client) {
            switching.bus_master_off(id);
            handed_over.push_back(id);
        }
        if (group.attached) left.push_back(*group.attached);
        group.moving = group.attached.has_value();
        if (auto closed = switching.fall_back(id); !closed && result_) result_ = std::move(closed);
    }
    for (const GroupId id : handed_over) switching.begin_reset(id);
    for (const ObjectId id : left) {
        if (id != object_) (void)finish(*state_->find(id));  // what it prepared is for tables that may end here
        if (auto retired = switching.retire_unused(*state_->find(id)); !retired && result_)
            result_ = std::move(retired);
    }
}

void Work::open_groups() noexcept {
    const Object& object = *state_->find(object_);
    for (const GroupId id : opening_)
        if (result_) result_ = Switching(*state_).open(id, object);
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
        switching.let_go(id);
    }
    (void)switching.retire_unused(object);
    state_->membership_changed(object);
}

void Work::conclude() noexcept {
    Object& object = *state_->find(object_);
    if (!result_ && result_.error().code == EIO) object.unconfirmed = true;
    if (object.unconfirmed && result_)
        result_ = fail(
            EIO,
            "a unit did not confirm an earlier removal of this object; treat its memory as "
            "reachable until the device is reset");
    object.in_change.end();
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

Result<void> finish(Object& object) noexcept {
    const std::shared_ptr<Work> work = object.work;
    units::Budget unlimited;
    while (work && work->step(unlimited) == units::Progress::more) {
        if (work->waits_for_reset())
            return fail(EBUSY, fmt::format("a device of object {} is being reset for it; ask again "
                                           "when it was added",
                                           raw(object.id)));
        unlimited = {};
    }
    return {};
}

}  // namespace smmu::containment

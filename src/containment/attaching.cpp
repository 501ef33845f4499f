// SPDX-License-Identifier: Apache-2.0
#include "containment/attaching.hpp"

#include <algorithm>

#include "containment/claims.hpp"
#include "containment/grant_rules.hpp"
#include "containment/switching.hpp"

namespace smmu::containment {
namespace {

// The object as it is with some groups more; put back unless kept.
class Shape {
public:
    explicit Shape(Object& object)
        : object_(object), units_(object.units), granule_log2_(object.granule_log2) {}
    Shape(const Shape&) = delete;
    Shape& operator=(const Shape&) = delete;
    ~Shape() {
        if (kept_) return;
        object_.units = units_;
        object_.granule_log2 = granule_log2_;
    }
    void keep_the_change() { kept_ = true; }

private:
    Object& object_;
    std::set<UnitId> units_;
    unsigned granule_log2_;
    bool kept_ = false;
};

// Groups that units were asked for; given back where nobody gets them.
class Acquired {
public:
    explicit Acquired(State& state) : switching_(state) {}
    Acquired(const Acquired&) = delete;
    Acquired& operator=(const Acquired&) = delete;
    ~Acquired() {
        for (const GroupId group : groups_) switching_.let_go(group);
    }
    Result<void> acquire(const std::vector<GroupId>& groups, const Object& object) {
        for (const GroupId group : groups) {
            groups_.push_back(group);
            SMMU_CHECK(switching_.acquire(group, object));
        }
        return {};
    }

private:
    Switching switching_;
    std::vector<GroupId> groups_;
};

std::vector<GroupId> groups_to_open(const State& state, const Object& object,
                                    const std::vector<DeviceIndex>& devices) {
    std::vector<GroupId> groups;
    for (const DeviceIndex index : devices) {
        const GroupId group = state.device(index).group;
        if (state.groups.of(group).attached != object.id &&
            std::ranges::find(groups, group) == groups.end())
            groups.push_back(group);
    }
    return groups;
}

// Devices leave the object they were in for this one. Their streams stay where they are until the
// new tables are complete.
std::vector<DeviceIndex> take_over_claims(State& state, Object& object,
                                          const std::vector<DeviceIndex>& devices) {
    std::vector<DeviceIndex> claimed;
    for (const DeviceIndex index : devices) {
        auto& owner = state.groups.device(index).object;
        if (owner == object.id) continue;
        if (owner) {
            Object& old = *state.find(*owner);
            old.devices.erase(index);
            state.membership_changed(old);
        }
        owner = object.id;
        object.devices.insert(index);
        claimed.push_back(index);
    }
    const unsigned granule_log2 = object.granule_log2;
    state.membership_changed(object);
    object.granule_log2 = granule_log2;
    return claimed;
}

// Prepares what all grants mean for every space: those that are there were made with `granule_before`.
Result<void> prepare_all(Preparation& preparation, const Object& object, unsigned granule_before) {
    const Windows everywhere{all_addresses};
    SMMU_TRY(const Runs after, rounded_out(object.grants, everywhere, object.granule_log2));
    if (granule_before == object.granule_log2)
        return preparation.prepare(everywhere, after, after, Preparation::On::shortage_fails);
    SMMU_TRY(const Runs before, rounded_out(object.grants, everywhere, granule_before));
    return preparation.prepare(everywhere, before, after, Preparation::On::shortage_fails);
}

}  // namespace

Result<std::shared_ptr<Work>> add_device(State& state, Client& client, Object& object,
                                         const DeviceQuery& query) {
    for (auto& [id, other] : state.objects)
        if (other.client == client.id) SMMU_CHECK(finish(other));
    SMMU_TRY(const auto devices, claim(state, client, object, query));
    const std::vector<GroupId> opening = groups_to_open(state, object, devices);

    Acquired acquired(state);
    SMMU_CHECK(acquired.acquire(opening, object));
    Shape shape(object);
    Preparation preparation(state, object);
    if (!opening.empty()) {
        const std::size_t units_before = object.units.size();
        const unsigned granule_before = object.granule_log2;
        unsigned granule_log2 = object.units.empty() ? 0 : object.granule_log2;
        for (const GroupId group : opening)
            for (const UnitId unit : state.groups.units_of(group)) {
                object.units.insert(unit);
                granule_log2 =
                    std::max(granule_log2, state.driver(unit)->capabilities().granule_log2);
                SMMU_CHECK(preparation.need_space(group, unit));
            }
        object.granule_log2 = granule_log2;
        // A device that joins others on the tables that are there changes nothing for them.
        const bool rounds_anew = granule_log2 != granule_before;
        if (rounds_anew || object.units.size() != units_before)
            SMMU_CHECK(check_grants(state, client, object, object.grants, {all_addresses}));
        if (rounds_anew || preparation.makes_spaces())
            SMMU_CHECK(prepare_all(preparation, object, granule_before));
    }

    shape.keep_the_change();
    auto claimed = take_over_claims(state, object, devices);
    object.work = std::make_shared<Work>(state, object.id, preparation.take());
    object.work->then_open(opening, std::move(claimed));
    return object.work;
}

}  // namespace smmu::containment

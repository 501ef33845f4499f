// SPDX-License-Identifier: Apache-2.0
#include "containment/refusals.hpp"

#include <algorithm>
#include <set>

#include "containment/attribution.hpp"
#include "containment/switching.hpp"

namespace smmu::containment {
namespace {

constexpr int most_drains_in_a_row = 64;

class Attributor final : public units::RefusalSink {
public:
    Attributor(State& state, UnitId unit) : state_(state), unit_(unit) {}

    void refused(const units::Refusal& refusal) noexcept override {
        const UnitStream stream{unit_, refusal.stream};
        const auto group = state_.groups.group_of(stream);
        const Object* const owner = group ? owner_of(*group) : nullptr;
        const auto client = owner != nullptr ? std::optional(owner->client) : std::nullopt;
        state_.log.announce(client);
        Transgression t;
        t.time = state_.clock.now();
        t.unit = unit_;
        t.stream = refusal.stream;
        t.stream_known = refusal.stream_known;
        t.address = refusal.address;
        t.address_known = refusal.address_known;
        t.access = refusal.access;
        t.stage = refusal.stage;
        t.raw = refusal.raw;
        Situation situation;
        situation.stream_known = group.has_value();
        situation.now = t.time;
        if (refusal.stream_known) state_.storms.count(stream, group.has_value(), t.time);
        if (group) {
            t.device = refusal.stream_known ? std::optional(device_of(stream, *group)) : only_device_on(state_.current_space(stream, *group));
            if (t.device) ++state_.groups.device(*t.device).refused;
        }
        if (owner != nullptr) place(situation, *owner, *group, t);
        const Attribution why = attribute(refusal, situation);
        t.cause = why.cause;
        t.since_removal = why.since_removal;
        state_.log.add(std::move(t), client);
    }

private:
    // Whose spaces the group is on now; nullptr: nobody's.
    const Object* owner_of(GroupId id) const {
        const auto attached = state_.groups.of(id).attached;
        return attached ? state_.find(*attached) : nullptr;
    }

    void place(Situation& situation, const Object& owner, GroupId id, Transgression& t) {
        situation.owner = &owner;
        situation.moving = state_.groups.of(id).moving;
        Client& client = *state_.clients.find(owner.client);
        situation.protected_memory = &state_.protected_from(client);
        situation.never_grantable = state_.driver(unit_)->capabilities().never_grantable;
        const Space* space = state_.spaces.find(state_.key(owner, id, unit_));
        if (space != nullptr) situation.extras = &space->extras;
        t.owner_pid = client.identity.pid;
        t.owner_uid = client.identity.uid;
        t.owner_object = owner.id;
    }

    // Where hardware named tables, not a stream: the device, when they are of one device alone.
    std::optional<DeviceIndex> only_device_on(const Space* tables) {
        std::set<DeviceIndex> devices;
        for (const auto& [stream, group] : state_.groups.streams())
            if (stream.unit == unit_ && state_.current_space(stream, group) == tables) devices.insert(device_of(stream, group));
        return devices.size() == 1 ? std::optional(*devices.begin()) : std::nullopt;
    }

    // Any one device with this stream: one that was claimed rather than another, a bridge only when
    // there is no other.
    DeviceIndex device_of(UnitStream stream, GroupId id) const {
        std::optional<DeviceIndex> best;
        int best_rank = -1;
        for (const DeviceIndex index : state_.groups.of(id).devices) {
            const topology::Device& device = state_.device(index);
            const bool has = std::ranges::any_of(device.streams, [&](const topology::Stream& s) {
                return s.unit == stream.unit && s.id == stream.stream;
            });
            if (!has) continue;
            const int rank =
                (state_.groups.device(index).object ? 2 : 0) + (device.is_bridge ? 0 : 1);
            if (rank > best_rank) {
                best = index;
                best_rank = rank;
            }
        }
        SMMU_ASSERT(best.has_value());
        return *best;
    }

    State& state_;
    UnitId unit_;
};

// What was in change when the drain began, and is over, can explain nothing that is refused from
// now on.
void forget_changes(State& state) {
    for (auto& [id, object] : state.objects)
        object.in_change.forget_what_is_over();
    for (std::size_t g = 0; g < state.groups.count(); ++g)
        state.groups.of(GroupId(std::uint32_t(g))).moving = false;
}

}  // namespace

bool drain_once(State& state) noexcept {
    bool more = false;
    for (std::size_t u = 0; u < state.drivers.size(); ++u) {
        const UnitId unit{std::uint32_t(u)};
        units::IommuUnit* driver = state.driver(unit);
        if (driver == nullptr) continue;
        Attributor attributor(state, unit);
        const units::Drained drained = driver->drain(attributor);
        more = more || drained.more;
        const Instant now = state.clock.now();
        if (drained.lost != 0) {
            state.log.hardware_lost(unit, drained.lost, now);
            state.storms.unit_lost(unit, now);
        }
        for (const UnitStream& stream : state.storms.newly_storming(unit, now)) {
            state.log.muted(unit, stream.stream, now);
            // Where even that fails the unit is failed, and its next user is told.
            (void)Switching(state).record(stream, units::Recording::muted);
        }
    }
    if (!more) forget_changes(state);
    return more;
}

void drain_fully(State& state) noexcept {
    for (int round = 0; round < most_drains_in_a_row && drain_once(state); ++round) {
    }
}

void unmute(State& state) noexcept {
    for (const UnitStream& stream : state.storms.newly_calm(state.clock.now()))
        (void)Switching(state).record(stream, units::Recording::on);  // as for muting
}

}  // namespace smmu::containment

// SPDX-License-Identifier: Apache-2.0
#include "containment/containment.hpp"

#include <fmt/format.h>

#include "containment/attaching.hpp"
#include "containment/claims.hpp"
#include "containment/granting.hpp"
#include "containment/refusals.hpp"
#include "containment/revision.hpp"
#include "containment/release.hpp"
#include "containment/start.hpp"
#include "containment/views.hpp"

namespace smmu::containment {
namespace {

Result<Client*> client_of(State& state, ClientId id) {
    Client* client = state.clients.find(id);
    if (client == nullptr)
        return fail(ENOTCONN, fmt::format("client {} is not connected", raw(id)));
    return client;
}

std::vector<ObjectId> objects_of(const State& state, ClientId client) {
    std::vector<ObjectId> result;
    for (const auto& [id, object] : state.objects)
        if (object.client == client) result.push_back(id);
    return result;
}

}  // namespace

Containment::Containment(topology::Topology topology, std::vector<DrivenUnit> units,
                         DeviceControl& devices, Clock& clock, Policy policy)
    : state_(
          std::make_unique<State>(std::move(topology), std::move(units), devices, clock, policy)) {}

Containment::~Containment() {
    leave(true);
}

std::vector<Result<units::TakeOver>> Containment::take_over() {
    return containment::take_over(*state_);
}

Result<ClientId> Containment::connect(Identity identity) {
    const Abilities& may = identity.abilities;
    if (!may.attach && !may.monitor && !may.admin)
        return fail(
            EPERM,
            fmt::format("user {} has no ability to connect; configure `ability attach user:NAME`",
                        identity.uid));
    User& user = state_->clients.user(identity.uid, state_->policy.table_frames_per_user);
    if (user.connections >= state_->policy.connections_per_user)
        return fail(EDQUOT, fmt::format("user {} has {} connections already", identity.uid,
                                        user.connections));
    return state_->clients.add(std::move(identity), user).id;
}

void Containment::disconnect(ClientId client) noexcept {
    if (state_->clients.find(client) == nullptr) return;
    // The units say themselves what they did not confirm; there is nobody left to tell.
    (void)release_objects(*state_, objects_of(*state_, client), Ending::by_death);
    state_->log.close(client);
    state_->clients.remove(client);
}

Result<ObjectId> Containment::create_object(ClientId id, bool reserved_manual) {
    SMMU_TRY(Client * client, client_of(*state_, id));
    if (!client->identity.abilities.attach)
        return fail(EPERM, fmt::format("{} has no ability to own devices (attach)",
                                       client->identity.command));
    if (reserved_manual && !client->identity.abilities.target)
        return fail(EPERM,
                    fmt::format("{} has no ability to handle reserved regions itself (target)",
                                client->identity.command));
    if (client->user->objects >= state_->policy.objects_per_user)
        return fail(EDQUOT, fmt::format("user {} has {} objects already", client->identity.uid,
                                        client->user->objects));
    ++client->user->objects;
    const ObjectId object{++state_->last_object};
    Object& made = state_->objects[object];
    made.id = object;
    made.client = id;
    made.reserved_manual = reserved_manual;
    made.granule_log2 = state_->smallest_granule();
    return object;
}

Result<void> Containment::destroy_object(ClientId client, ObjectId object) noexcept {
    SMMU_CHECK(state_->object_of(client, object));
    return release_objects(*state_, {{object}}, Ending::by_owner);
}

Result<void> Containment::check_owner(ClientId client, ObjectId object) const {
    SMMU_CHECK(state_->object_of(client, object));
    return {};
}

Result<std::shared_ptr<Operation>> Containment::add_device(ClientId id, ObjectId object_id,
                                                           const DeviceQuery& device) {
    SMMU_TRY(Client * client, client_of(*state_, id));
    SMMU_TRY(Object * object, state_->object_of(id, object_id));
    return containment::add_device(*state_, *client, *object, device);
}

Result<void> Containment::remove_device(ClientId id, const DeviceQuery& query) noexcept {
    SMMU_CHECK(client_of(*state_, id));
    bool found = false;
    Result<void> result;
    for (const DeviceIndex index : matching(state_->machine, query)) {
        const auto object = state_->groups.device(index).object;
        if (!object || state_->find(*object)->client != id) continue;
        found = true;
        auto released = release_device(*state_, index);
        if (result && !released) result = std::move(released);
    }
    if (!found)
        return fail(ENOENT, fmt::format("{} is in no object of this client", to_string(query)));
    return result;
}

Result<topology::Stream> Containment::attached_stream(ClientId client, const DeviceQuery& query) const {
    const auto devices = matching(state_->machine, query);
    if (devices.empty()) return fail(ENOENT, fmt::format("no device {} is known", to_string(query)));
    if (devices.size() > 1) return fail(EINVAL, fmt::format("{} are several devices; name one", to_string(query)));
    const topology::Device& device = state_->device(devices.front());
    const auto object = state_->groups.device(devices.front()).object;
    if (!object || state_->find(*object)->client != client || state_->groups.of(device.group).attached != *object)
        return fail(EPERM, fmt::format("{} is not attached by this client", to_string(device.id)));
    return device.streams.front();
}

Result<std::shared_ptr<Operation>> Containment::change_grants(ClientId id, ObjectId object_id,
                                                              GrantRequest request) {
    SMMU_TRY(Client * client, client_of(*state_, id));
    SMMU_TRY(Object * object, state_->object_of(id, object_id));
    return containment::change_grants(*state_, *client, *object, std::move(request));
}

Result<std::vector<topology::Grant>> Containment::reserved(const DeviceQuery& query) const {
    const auto devices = matching(state_->machine, query);
    if (devices.empty())
        return fail(ENOENT, fmt::format("no device {} is known", to_string(query)));
    if (is_wildcard(query))
        return fail(EINVAL, "reserved regions are those of one device; name it");
    std::vector<topology::Grant> result;
    for (const topology::Grant& grant : state_->device(devices.front()).grants)
        if (grant.kind == topology::Grant::Kind::reserved && grant.honoured)
            result.push_back(grant);
    return result;
}

bool Containment::drain() noexcept {
    return drain_once(*state_);
}

void Containment::tick() noexcept {
    unmute(*state_);
    for (auto& [id, object] : state_->objects) reopen_starved(*state_, object);
}

Result<Reader*> Containment::open_reader(ClientId id) {
    SMMU_TRY(Client * client, client_of(*state_, id));
    const Abilities& may = client->identity.abilities;
    if (!may.attach && !may.monitor)
        return fail(EPERM,
                    "reading transgressions needs ability attach (own devices) or monitor (all)");
    Reader* reader =
        state_->log.open(id, may.monitor ? ReaderScope::everything : ReaderScope::own_devices);
    if (reader == nullptr) return fail(EBUSY, "this client has a reader already");
    return reader;
}

std::vector<LossEpisode> Containment::loss_episodes() const {
    return {state_->log.episodes().begin(), state_->log.episodes().end()};
}

std::uint64_t Containment::refusals_seen() const {
    return state_->log.seen();
}

std::vector<Transgression> Containment::recent_transgressions() const {
    return {state_->log.recent().begin(), state_->log.recent().end()};
}

const Identity& Containment::identity(ClientId client) const {
    return state_->clients.find(client)->identity;
}

std::vector<Error> Containment::recheck() noexcept {
    return containment::recheck(*state_);
}

Result<void> Containment::replace_topology(topology::Topology next, Gone gone) {
    return containment::replace_topology(*state_, std::move(next), gone);
}

Result<void> Containment::turn_off(UnitId unit) noexcept {
    return containment::turn_off(*state_, unit);
}

void Containment::leave(bool keep_startup) noexcept {
    if (state_->left) return;
    while (state_->clients.begin() != state_->clients.end())
        disconnect(state_->clients.begin()->first);
    containment::leave(*state_, keep_startup);
    state_->left = true;
}

const topology::Topology& Containment::topology() const {
    return state_->machine;
}

const units::IommuUnit* Containment::unit(UnitId id) const {
    return raw(id) < state_->drivers.size() ? state_->driver(id) : nullptr;
}

bool Containment::has_objects() const {
    return !state_->objects.empty();
}

Containment::DeviceView Containment::view(DeviceIndex device) const {
    return view_of(*state_, device);
}

std::vector<Containment::ObjectView> Containment::objects() const {
    std::vector<ObjectView> result;
    for (const auto& [id, object] : state_->objects) result.push_back(view_of(*state_, object));
    return result;
}

}  // namespace smmu::containment

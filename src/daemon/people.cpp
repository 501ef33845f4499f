// SPDX-License-Identifier: Apache-2.0
#include "daemon/people.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>

#include "protocol/result.hpp"

namespace smmu::daemon {

namespace {

// For messages only: a process may call itself what it likes.
std::string command_of(pid_t pid) {
    std::ifstream file(fmt::format("/proc/{}/comm", pid));
    std::string name;
    std::getline(file, name);
    return name.empty() ? "?" : name;
}

void allow(containment::Abilities& abilities, config::Ability ability) {
    switch (ability) {
        case config::Ability::attach: abilities.attach = true; break;
        case config::Ability::target: abilities.target = true; break;
        case config::Ability::monitor: abilities.monitor = true; break;
        case config::Ability::admin: abilities.admin = true; break;
    }
}

}  // namespace

Result<People::Person> People::find(const config::Who& who, const config::Origin& origin) {
    // At start there is one thread: the plain calls, which grow their own buffers, are safe.
    if (who.is_group) {
        if (const group* found = getgrnam(who.name.c_str())) return Person{true, found->gr_gid};
    } else {
        if (const passwd* found = getpwnam(who.name.c_str())) return Person{false, found->pw_uid};
    }
    return fail(EINVAL, fmt::format("{}: this machine has no {} {}", origin.text, who.is_group ? "group" : "user", who.name));
}

Result<People> People::resolve(const config::Configuration& configuration) {
    People people;
    for (const config::AbilityEntry& entry : configuration.abilities) {
        SMMU_TRY(const Person who, find(entry.who, entry.origin));
        people.abilities_.push_back({who, entry.ability});
    }
    for (const config::LimitEntry& entry : configuration.limits) {
        SMMU_TRY(const Person who, find(entry.who, entry.origin));
        containment::Limit limit;
        limit.device = entry.device;
        if (entry.memory) limit.memory = containment::Limit::Memory{entry.memory->range, entry.memory->access};
        people.limits_.push_back({who, std::move(limit)});
    }
    return people;
}

bool People::Person::is(const protocol::Peer& peer, std::span<const gid_t> groups) const {
    if (!is_group) return peer.uid == id;
    return peer.gid == id || std::ranges::find(groups, id) != groups.end();
}

Result<containment::Identity> People::identify(int socket, const protocol::Peer& peer, bool own_user_is_root) const {
    containment::Identity identity;
    identity.pid = peer.pid;
    identity.uid = peer.uid;
    identity.gid = peer.gid;
    identity.command = command_of(peer.pid);
    if (peer.uid == 0 || (own_user_is_root && peer.uid == geteuid())) {
        identity.unlimited = true;
        identity.abilities = {.attach = true, .target = true, .monitor = true, .admin = true};
        return identity;
    }
    std::array<gid_t, protocol::groups_limit> buffer;
    const auto count = protocol::groups_of(socket, buffer);
    if (!count) return std::unexpected(protocol::to_error(count.error()));
    const std::span<const gid_t> groups(buffer.data(), *count);

    for (const Ability& ability : abilities_)
        if (ability.who.is(peer, groups)) allow(identity.abilities, ability.what);
    for (const Limit& limit : limits_)
        if (limit.who.is(peer, groups)) identity.limits.push_back(limit.what);
    return identity;
}

}  // namespace smmu::daemon

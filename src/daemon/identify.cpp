// SPDX-License-Identifier: Apache-2.0
#include "daemon/identify.hpp"

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

// Names the user or one of the groups of the peer. A name the machine does not know names nobody.
bool names(const config::Who& who, const protocol::Peer& peer, std::span<const gid_t> groups) {
    std::array<char, 4096> buffer;
    if (who.is_group) {
        group entry;
        group* found = nullptr;
        getgrnam_r(who.name.c_str(), &entry, buffer.data(), buffer.size(), &found);
        return found != nullptr && (found->gr_gid == peer.gid || std::ranges::find(groups, found->gr_gid) != groups.end());
    }
    passwd entry;
    passwd* found = nullptr;
    getpwnam_r(who.name.c_str(), &entry, buffer.data(), buffer.size(), &found);
    return found != nullptr && found->pw_uid == peer.uid;
}

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

Result<containment::Identity> identify(int socket, const protocol::Peer& peer,
                                       const config::Configuration& configuration, bool own_user_is_root) {
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

    for (const config::AbilityEntry& entry : configuration.abilities)
        if (names(entry.who, peer, groups)) allow(identity.abilities, entry.ability);
    for (const config::LimitEntry& entry : configuration.limits) {
        if (!names(entry.who, peer, groups)) continue;
        containment::Limit limit;
        limit.device = entry.device;
        if (entry.memory) limit.memory = containment::Limit::Memory{entry.memory->range, entry.memory->access};
        identity.limits.push_back(std::move(limit));
    }
    return identity;
}

}  // namespace smmu::daemon

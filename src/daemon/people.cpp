// SPDX-License-Identifier: Apache-2.0
#include "daemon/people.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <memory>

#include "protocol/result.hpp"

namespace smmu::daemon {

namespace {

}  // namespace

std::string printable(std::string_view text) {
    std::string clean(text);
    for (char& letter : clean)
        if (letter < ' ' || letter == 0x7f) letter = '?';
    return clean;
}

namespace {

// For messages only: a process may call itself what it likes.
std::string command_of(pid_t pid) {
    std::ifstream file(fmt::format("/proc/{}/comm", pid));
    std::string name;
    std::getline(file, name);
    return name.empty() ? "?" : printable(name);
}

// At start there is one thread: the plain calls, which grow their own buffers, are safe.
std::optional<id_t> in_the_directory(const config::Who& who) {
    if (who.is_group) {
        if (const group* found = getgrnam(who.name.c_str())) return found->gr_gid;
    } else {
        if (const passwd* found = getpwnam(who.name.c_str())) return found->pw_uid;
    }
    return std::nullopt;
}

struct CloseFile {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

// Asks no directory service, which might not answer.
std::optional<id_t> in_local_files(const config::Who& who) {
    const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(who.is_group ? "/etc/group" : "/etc/passwd", "re"));
    if (!file) return std::nullopt;
    if (who.is_group) {
        while (const group* entry = fgetgrent(file.get()))
            if (who.name == entry->gr_name) return entry->gr_gid;
    } else {
        while (const passwd* entry = fgetpwent(file.get()))
            if (who.name == entry->pw_name) return entry->pw_uid;
    }
    return std::nullopt;
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

Result<People> People::resolve(const config::Configuration& configuration) {
    return resolve(configuration, in_the_directory);
}

Result<People> People::resolve_again(const config::Configuration& configuration) const {
    return resolve(configuration, [this](const config::Who& who) {
        const auto before = known(who);
        return before ? before : in_local_files(who);
    });
}

std::optional<id_t> People::known(const config::Who& who) const {
    for (const Ability& ability : abilities_)
        if (ability.who.name == who) return ability.who.id;
    for (const Limit& limit : limits_)
        if (limit.who.name == who) return limit.who.id;
    return std::nullopt;
}

Result<People> People::resolve(const config::Configuration& configuration, const Lookup& lookup) {
    const auto find = [&](const config::Who& who, const config::Origin& origin) -> Result<Person> {
        if (const auto id = lookup(who)) return Person{who, *id};
        return fail(EINVAL, fmt::format("{}: this machine has no {} {}", origin.text, who.is_group ? "group" : "user", who.name));
    };
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
    if (!name.is_group) return peer.uid == id;
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

// SPDX-License-Identifier: Apache-2.0
// People: the users and groups that configuration names, as numbers. Names are looked up once, at start: a directory
// service that does not answer must not keep a dead client's devices open.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "config/configuration.hpp"
#include "containment/identity.hpp"
#include "protocol/peer.hpp"

namespace smmu::daemon {

// Text of somebody else for a log: no line ends and no other control characters.
std::string printable(std::string_view text);

class People {
public:
    // EINVAL, with the place in the configuration, for a name that the machine does not know.
    static Result<People> resolve(const config::Configuration& configuration);
    // The same while serving: names that were known keep their numbers, and only those that this machine's own files
    // hold can be new.
    Result<People> resolve_again(const config::Configuration& configuration) const;

    // Who has connected, as the kernel says it, and what configuration allows this user and these groups.
    // `own_user_is_root`: on a board the service's own user may do everything, as root may.
    Result<containment::Identity> identify(int socket, const protocol::Peer& peer, bool own_user_is_root) const;

private:
    struct Person {
        config::Who name;
        id_t id;
        bool is(const protocol::Peer& peer, std::span<const gid_t> groups) const;
    };
    struct Ability {
        Person who;
        config::Ability what;
    };
    struct Limit {
        Person who;
        containment::Limit what;
    };
    using Lookup = std::function<std::optional<id_t>(const config::Who& who)>;
    static Result<People> resolve(const config::Configuration& configuration, const Lookup& lookup);
    std::optional<id_t> known(const config::Who& who) const;

    std::vector<Ability> abilities_;
    std::vector<Limit> limits_;
};

}  // namespace smmu::daemon

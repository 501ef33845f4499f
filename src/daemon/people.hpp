// SPDX-License-Identifier: Apache-2.0
// People: the users and groups that configuration names, as numbers. Names are looked up once, at start: a directory
// service that does not answer must not keep a dead client's devices open.
#pragma once

#include <sys/types.h>

#include <span>
#include <vector>

#include "base/result.hpp"
#include "config/configuration.hpp"
#include "containment/identity.hpp"
#include "protocol/peer.hpp"

namespace smmu::daemon {

class People {
public:
    // EINVAL, with the place in the configuration, for a name that the machine does not know.
    static Result<People> resolve(const config::Configuration& configuration);

    // Who has connected, as the kernel says it, and what configuration allows this user and these groups.
    // `own_user_is_root`: on a board the service's own user may do everything, as root may.
    Result<containment::Identity> identify(int socket, const protocol::Peer& peer, bool own_user_is_root) const;

private:
    struct Person {
        bool is_group;
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
    static Result<Person> find(const config::Who& who, const config::Origin& origin);

    std::vector<Ability> abilities_;
    std::vector<Limit> limits_;
};

}  // namespace smmu::daemon

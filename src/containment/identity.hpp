// SPDX-License-Identifier: Apache-2.0
// Identity: who a client is and what configuration allows it. Fixed when the client connects.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "base/access.hpp"
#include "base/range.hpp"
#include "topology/device_id.hpp"

namespace smmu::containment {

struct Abilities {
    bool attach = false;   // may connect and own devices
    bool target = false;   // may give a device address other than the physical one
    bool monitor = false;  // may read everybody's transgressions
    bool admin = false;    // may reload, confirm, release
};

// One `limit` line: these devices and these physical bytes. nullopt = any.
struct Limit {
    std::optional<topology::DeviceId> device;
    struct Memory {
        PhysRange range;
        Access access = read_write;
    };
    std::optional<Memory> memory;
};

struct Identity {
    pid_t pid = 0;
    uid_t uid = 0;
    gid_t gid = 0;
    std::string command;  // for messages: "edu_driver"
    Abilities abilities;
    bool unlimited = false;     // root, and on a board the service's own user: no limit lines apply
    std::vector<Limit> limits;  // what is not named here is refused, for others
};

}  // namespace smmu::containment

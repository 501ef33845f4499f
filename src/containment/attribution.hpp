// SPDX-License-Identifier: Apache-2.0
// Attribution: from what hardware refused to why. Pure: the state it was refused in is given.
#pragma once

#include <optional>

#include "containment/effective_set.hpp"
#include "containment/object.hpp"
#include "containment/transgression.hpp"
#include "units/unit.hpp"

namespace smmu::containment {

struct Situation {
    bool stream_known = false;
    const Object* owner = nullptr;       // whose spaces the stream is on
    const GranuleMap* extras = nullptr;  // what its group may always reach there; nullptr: nothing
    const ProtectedSet* protected_memory = nullptr;
    std::optional<IovaRange> never_grantable;
    bool moving = false;  // the group went from one object to this one meanwhile
    Instant now{};
};

struct Attribution {
    Cause cause = Cause::never_granted;
    Nanoseconds since_removal{};
};

Attribution attribute(const units::Refusal& refusal, const Situation& situation);

}  // namespace smmu::containment

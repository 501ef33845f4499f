// SPDX-License-Identifier: Apache-2.0
// Preparation: every check and every frame of a change on every space, before anything changes.
// What was prepared is either taken over by a Work or given back when this goes out of scope.
#pragma once

#include <vector>

#include "containment/state.hpp"

namespace smmu::containment {

// What one space is going to be asked, with everything it needs to do it.
struct SpaceChange {
    SpaceKey space;
    Difference difference;
    units::Plan plan;
};

class Preparation {
public:
    enum class On { shortage_fails, shortage_closes };

    Preparation(State& state, Object& object) : state_(state), object_(object) {}
    Preparation(const Preparation&) = delete;
    Preparation& operator=(const Preparation&) = delete;
    ~Preparation();

    // Makes the space where it does not exist yet.
    Result<void> need_space(GroupId group, UnitId unit);
    // Prepares what the object's grants, as they are now, mean for its spaces inside the windows.
    // With `shortage_closes`, what cannot be kept open for lack of tables is closed (and remembered
    // as starved).
    Result<void> prepare(const Windows& windows, On shortage);
    std::vector<SpaceChange> take();

private:
    Result<void> prepare_space(Space& space, const GranuleMap& opened, const Windows& windows,
                               On shortage);

    State& state_;
    Object& object_;
    std::vector<SpaceChange> changes_;
    std::vector<SpaceKey> made_;
};

}  // namespace smmu::containment

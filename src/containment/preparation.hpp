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
    Windows starved;  // left closed for lack of tables
    units::Plan plan;
    Result<void> confirmed;  // what was carried out in place; its plan is done
};

class Preparation {
public:
    enum class On { shortage_fails, shortage_closes };
    // Whether anything can still fail after it. Where nothing can, and only one space is concerned, a change that needs no
    // plan is carried out at once.
    enum class Ahead { may_fail, cannot_fail };

    Preparation(State& state, Object& object) : state_(state), object_(object) {}
    Preparation(const Preparation&) = delete;
    Preparation& operator=(const Preparation&) = delete;
    ~Preparation();

    // Makes the space where it does not exist yet.
    Result<void> need_space(GroupId group, UnitId unit);
    bool makes_spaces() const { return !made_.empty(); }
    // Prepares what grants mean for the object's spaces: what they open inside the windows goes from `before` to
    // `after`. Spaces that were made open nothing before. With `shortage_closes`, what cannot be kept open for lack
    // of tables is closed (and remembered as starved).
    Result<void> prepare(const Windows& windows, const Runs& before, const Runs& after, On shortage,
                         Ahead ahead = Ahead::may_fail);
    std::vector<SpaceChange> take();

private:
    bool is_new(const Space& space) const;
    Result<void> prepare_space(const Space& space, const Windows& windows, const Runs& before, const Runs& after,
                               On shortage, Ahead ahead);
    bool carry_out_in_place(const Space& space, const Difference& change);

    State& state_;
    Object& object_;
    std::vector<SpaceChange> changes_;
    std::vector<SpaceKey> made_;
};

}  // namespace smmu::containment

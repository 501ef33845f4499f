// SPDX-License-Identifier: Apache-2.0
// Switching: the only code that moves a group's streams between spaces. Every move goes through the
// startup space (or a block), so that streams of one group never open into two sets at once.
#pragma once

#include "containment/state.hpp"

namespace smmu::containment {

class Switching {
public:
    explicit Switching(State& state) : state_(state) {}

    // All streams of the group on all its units: to its startup space, or refused. Nothing else of
    // it is reachable when this returns without an error. Goes on after an error, and returns the
    // first.
    Result<void> fall_back(GroupId group) noexcept;
    // From fallen back to the spaces of the object. After an error the group is fallen back again.
    Result<void> open(GroupId group, const Object& object) noexcept;

    // Before its owner becomes this object's client: its units see to it that nobody else can drive its devices.
    Result<void> acquire(GroupId group, const Object& object);
    // Units may give back what nobody has; nothing happens while somebody has it.
    void let_go(GroupId group) noexcept;

    // No DMA of its endpoints starts any more; the next driver switches it on again.
    void bus_master_off(GroupId group) noexcept;
    // Function resets of its endpoints; they take their time.
    void begin_reset(GroupId group) noexcept;
    bool resetting(GroupId group) const noexcept;

    // Whether refusals of this stream are recorded, wherever it goes.
    Result<void> record(UnitStream stream, units::Recording recording) noexcept;

    // Ends the spaces of an object that none of its groups uses.
    Result<void> retire_unused(Object& object) noexcept;

private:
    Result<void> fall_back(UnitStream stream, GroupId group) noexcept;

    State& state_;
};

}  // namespace smmu::containment

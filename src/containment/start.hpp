// SPDX-License-Identifier: Apache-2.0
// Start, check and stop of all units: what hardware is told before there are clients, whether it
// still says so, and what it is left with.
#pragma once

#include "containment/state.hpp"

namespace smmu::containment {

std::vector<Result<units::TakeOver>> take_over(State& state);
// A space, filled, of what a group of `machine` may reach without an owner; no stream is on it, and it is in no set.
// Nothing when there is nothing to reach.
Result<std::optional<Space>> make_startup_space(State& state, const topology::Topology& machine, const GroupState& of,
                                                GroupId group, UnitId unit);
std::vector<Error> recheck(State& state) noexcept;
// See Containment::turn_off.
Result<void> turn_off(State& state, UnitId unit) noexcept;
void leave(State& state, bool keep_startup) noexcept;

}  // namespace smmu::containment

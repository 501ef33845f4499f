// SPDX-License-Identifier: Apache-2.0
// Refusals: from the units' logs to transgressions: whose device it was, why, and to whom it is
// told.
#pragma once

#include "containment/state.hpp"

namespace smmu::containment {

// One bounded look at every unit. True when a unit has more.
bool drain_once(State& state) noexcept;
// Until the units have no more, or a bound is reached: a device may refuse faster than anybody can
// read.
void drain_fully(State& state) noexcept;
// Lets streams speak again whose mute is over.
void unmute(State& state) noexcept;

}  // namespace smmu::containment

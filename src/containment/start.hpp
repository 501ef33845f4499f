// SPDX-License-Identifier: Apache-2.0
// Start, check and stop of all units: what hardware is told before there are clients, whether it
// still says so, and what it is left with.
#pragma once

#include "containment/state.hpp"

namespace smmu::containment {

std::vector<Result<units::TakeOver>> take_over(State& state);
std::vector<Error> recheck(State& state) noexcept;
void leave(State& state, bool keep_startup) noexcept;

}  // namespace smmu::containment

// SPDX-License-Identifier: Apache-2.0
// Granting: one call that adds or removes grants. The change is made on a copy of the grants around it;
// they themselves change when everything is prepared, and tables follow. It costs by what it touches,
// not by what the object holds.
#pragma once

#include "containment/state.hpp"
#include "containment/work.hpp"

namespace smmu::containment {

Result<std::shared_ptr<Work>> change_grants(State& state, Client& client, Object& object,
                                            GrantRequest&& request);

// Opens again what lack of tables had closed, as far as there are tables now: as much as Reopening says is this turn's.
void reopen_starved(State& state, Object& object) noexcept;

}  // namespace smmu::containment

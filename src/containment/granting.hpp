// SPDX-License-Identifier: Apache-2.0
// Granting: one call that adds or removes grants. The grants are changed first and put back when
// anything of the call cannot be; tables follow.
#pragma once

#include "containment/state.hpp"
#include "containment/work.hpp"

namespace smmu::containment {

Result<std::shared_ptr<Work>> change_grants(State& state, Client& client, Object& object,
                                            GrantRequest&& request);

// Opens again what lack of tables had closed, as far as there are tables now.
void reopen_starved(State& state, Object& object) noexcept;

}  // namespace smmu::containment

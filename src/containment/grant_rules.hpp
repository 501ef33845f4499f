// SPDX-License-Identifier: Apache-2.0
// Grant rules: what no grant may do, whatever the tables could: protected memory, limits, widths.
#pragma once

#include "containment/state.hpp"

namespace smmu::containment {

// Checks the object's grants inside the windows against its units and its client: EPERM, ERANGE,
// EINVAL.
Result<void> check_grants(State& state, Client& client, const Object& object,
                          const Windows& windows);

}  // namespace smmu::containment

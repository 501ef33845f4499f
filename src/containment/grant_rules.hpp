// SPDX-License-Identifier: Apache-2.0
// Grant rules: what no grant may do, whatever the tables could: protected memory, limits, widths.
#pragma once

#include "containment/state.hpp"

namespace smmu::containment {

// Checks grants that the object is to hold, those inside the windows, against its units and its client: EPERM,
// ERANGE, EINVAL.
Result<void> check_grants(State& state, Client& client, Object& object, const Grants& grants,
                          const Windows& windows);

}  // namespace smmu::containment

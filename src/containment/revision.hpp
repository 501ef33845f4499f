// SPDX-License-Identifier: Apache-2.0
// Revision: another topology of the same machine in place of the one in force. Everything is checked and prepared before
// anything changes; clients hold what they held.
#pragma once

#include "containment/containment.hpp"
#include "containment/state.hpp"

namespace smmu::containment {

// See Containment::replace_topology.
Result<void> replace_topology(State& state, topology::Topology next, Containment::Gone gone);

}  // namespace smmu::containment

// SPDX-License-Identifier: Apache-2.0
// Status: what containment knows as the values that are reported.
#pragma once

#include "containment/containment.hpp"
#include "report/status.hpp"

namespace smmu::daemon {

// Version, units (in the order of their ids), devices, objects with their grants, the last refusals, findings and counts.
// `reader`: who asks. Without the ability monitor it sees the refusals of its own user's devices only.
void fill(report::Status& status, const containment::Containment& containment, const containment::Identity& reader);

}  // namespace smmu::daemon

// SPDX-License-Identifier: Apache-2.0
// Status: what containment knows as the values that are reported.
#pragma once

#include "containment/containment.hpp"
#include "report/status.hpp"

namespace smmu::daemon {

// Version, units (in the order of their ids), devices, objects with their grants, findings and counts.
void fill(report::Status& status, const containment::Containment& containment);

}  // namespace smmu::daemon

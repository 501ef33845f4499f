// SPDX-License-Identifier: Apache-2.0
// Limits: what configuration names for a client: which devices it may claim, which physical bytes
// it may grant.
#pragma once

#include "containment/identity.hpp"

namespace smmu::containment {

bool may_claim(const Identity& identity, const topology::DeviceId& device);
// Every byte of `memory` is named for every permission of `access` (by one line or by several).
bool may_grant(const Identity& identity, PhysRange memory, Access access);

}  // namespace smmu::containment

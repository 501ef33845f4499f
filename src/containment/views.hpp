// SPDX-License-Identifier: Apache-2.0
// Views: devices and objects as status shows them.
#pragma once

#include "containment/state.hpp"

namespace smmu::containment {

Containment::DeviceView view_of(const State& state, DeviceIndex device);
Containment::ObjectView view_of(const State& state, const Object& object);

}  // namespace smmu::containment

// SPDX-License-Identifier: Apache-2.0
// Attaching: one call that gives devices to an object: claims, spaces, tables; the streams follow
// when all of it is complete.
#pragma once

#include "containment/state.hpp"
#include "containment/work.hpp"

namespace smmu::containment {

Result<std::shared_ptr<Work>> add_device(State& state, Client& client, Object& object,
                                         const DeviceQuery& query);

}  // namespace smmu::containment

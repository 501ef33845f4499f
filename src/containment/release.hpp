// SPDX-License-Identifier: Apache-2.0
// Release: how objects end. Nothing of them is let go before every device that could reach it is
// blocked and the units have confirmed it.
#pragma once

#include <span>

#include "containment/state.hpp"

namespace smmu::containment {

// After a death the devices stop issuing DMA and are reset. EIO when a unit did not confirm; the
// objects are gone all the same, their client memory is kept.
enum class Ending { by_owner, by_death };
Result<void> release_objects(State& state, std::span<const ObjectId> objects,
                             Ending ending) noexcept;

// Takes a device out of its object.
Result<void> release_device(State& state, DeviceIndex device) noexcept;

}  // namespace smmu::containment

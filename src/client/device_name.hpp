// SPDX-License-Identifier: Apache-2.0
// Device name: union smmu_devid as the C interface has it, and DeviceName as it travels.
#pragma once

#include <smmu.h>

#include "protocol/failure.hpp"
#include "protocol/wire.hpp"

namespace smmu::client {

// Reads only the members of the kind that it says. EINVAL: nullptr, another kind, a number out of
// range.
protocol::Checked<protocol::DeviceName> to_wire(const smmu_devid* device);
// SDT_NUM_TYPES for no device or one of a kind this library does not know.
smmu_devid from_wire(const protocol::DeviceName& device);

}  // namespace smmu::client

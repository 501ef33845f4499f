// SPDX-License-Identifier: Apache-2.0
// Host drivers: which PCI functions and which devices of a board the kernel's own drivers have, and what hangs on them.
#pragma once

#include "platform/linux/host_files.hpp"
#include "platform/platform.hpp"

namespace smmu::platform::linux {

// Ascending by address; functions without a driver are left out.
std::vector<HostDriver> host_drivers(const HostFiles& files);
// Ascending by name; devices without a driver, and those of which firmware knows nothing, are left out.
std::vector<HostBlock> host_blocks(const HostFiles& files);

}  // namespace smmu::platform::linux

// SPDX-License-Identifier: Apache-2.0
// Host drivers: which PCI functions the kernel's own drivers have, and what hangs on them.
#pragma once

#include "platform/linux/host_files.hpp"
#include "platform/platform.hpp"

namespace smmu::platform::linux {

// Ascending by address; functions without a driver are left out.
std::vector<HostDriver> host_drivers(const HostFiles& files);

}  // namespace smmu::platform::linux

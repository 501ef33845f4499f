// SPDX-License-Identifier: Apache-2.0
// IOMMU groups: how the kernel groups devices while it keeps the IOMMU.
#pragma once

#include "platform/linux/host_files.hpp"
#include "platform/platform.hpp"

namespace smmu::platform::linux {

// Ascending by number. Members that are no PCI functions are left out, and so are groups that vfio makes itself for devices
// which nothing contains.
std::vector<KernelGroup> kernel_groups(const HostFiles& files);

// ENOTSUP, with the kernel parameters that help, when the kernel keeps no unit.
Result<void> check_kept(const HostFiles& files);

}  // namespace smmu::platform::linux

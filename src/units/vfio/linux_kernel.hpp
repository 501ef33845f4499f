// SPDX-License-Identifier: Apache-2.0
// LinuxKernel: groups through /dev/vfio (type 1 containers, version 2), records through /dev/kmsg.
#pragma once

#include "units/vfio/kernel.hpp"

namespace smmu::units::vfio {

// ENOENT with what to load when the kernel offers no such containers.
Result<std::unique_ptr<Kernel>> open_kernel();

}  // namespace smmu::units::vfio

// SPDX-License-Identifier: Apache-2.0
// FirmwareMemory: what firmware told the kernel is memory, before anything was taken out of it (/sys/firmware/memmap).
#pragma once

#include "base/range.hpp"
#include "base/result.hpp"
#include "platform/linux/host_files.hpp"

namespace smmu::platform::linux {

// EINVAL unless every byte of the range is memory. EPERM: the kernel does not say.
Result<void> check_is_memory(const HostFiles& files, PhysRange range);

}  // namespace smmu::platform::linux

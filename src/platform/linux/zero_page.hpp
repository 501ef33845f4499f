// SPDX-License-Identifier: Apache-2.0
// ZeroPage: the page that the kernel shows wherever memory was read and never written. It belongs to the kernel itself, is full of
// zeros, and neither moves nor is given to anybody as long as the machine runs.
#pragma once

#include "base/address.hpp"
#include "base/result.hpp"
#include "platform/linux/host_files.hpp"

namespace smmu::platform::linux {

// ENOTSUP: the kernel shows no such page.
Result<PhysAddr> zero_page(const HostFiles& files);

}  // namespace smmu::platform::linux

// SPDX-License-Identifier: Apache-2.0
// InstanceLock: one service drives a machine. The kernel lets the lock go with the process.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace smmu::platform::linux {

// EBUSY: another process holds it; the text names it.
Result<UniqueFd> lock_instance(const std::string& path);

}  // namespace smmu::platform::linux

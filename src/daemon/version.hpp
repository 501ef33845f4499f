// SPDX-License-Identifier: Apache-2.0
// Version: of the release, as the build system says it.
#pragma once

namespace smmu::daemon {

inline constexpr const char* version = SMMU_VERSION;

}  // namespace smmu::daemon

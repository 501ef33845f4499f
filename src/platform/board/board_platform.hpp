// SPDX-License-Identifier: Apache-2.0
// Board platform: an emulated board, reached by the board protocol, as a place where the service
// can run.
#pragma once

#include <memory>
#include <string_view>

#include "platform/platform.hpp"

namespace smmu::platform::board {

// The running board of that name (or, with a slash in it, at that socket). ENXIO when none runs.
Result<std::unique_ptr<Platform>> open(std::string_view name);

}  // namespace smmu::platform::board

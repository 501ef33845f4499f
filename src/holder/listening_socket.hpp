// SPDX-License-Identifier: Apache-2.0
// ListeningSocket: where the holder is asked. Only its own user and root can open it.
#pragma once

#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace smmu::holder {

// Makes the folder, too. EADDRINUSE: another holder listens there.
Result<UniqueFd> listen_at(const std::string& path);

}  // namespace smmu::holder

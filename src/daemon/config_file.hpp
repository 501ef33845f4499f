// SPDX-License-Identifier: Apache-2.0
// Config file: the text of a *.smmu file.
#pragma once

#include <string>

#include "base/result.hpp"

namespace smmu::daemon {

// At most config::longest_file bytes of a regular file. The error says why it cannot be read.
Result<std::string> read_config_file(const std::string& path);

}  // namespace smmu::daemon

// SPDX-License-Identifier: Apache-2.0
// ServiceQuery: asks the running service for its status.
#pragma once

#include <string>

#include "base/result.hpp"

namespace smmu::cli {

// The status document (report::from_json reads it). ENOENT: no service listens; EPERM: it does not talk to this user.
Result<std::string> query_status();

}  // namespace smmu::cli

// SPDX-License-Identifier: Apache-2.0
// StatusSource: the status of the running service, or one that was kept in a file.
#pragma once

#include <string>

#include "base/result.hpp"
#include "report/status.hpp"

namespace smmu::cli {

struct StatusDocument {
    std::string text;  // as the service wrote it
    report::Status status;
};

// `from`: a file that holds what `smmuctl --json status` printed; empty: the service is asked. ENOENT: no service
// listens, or no such file; EPERM: the service does not talk to this user; EPROTO: it is no status document.
Result<StatusDocument> read_status(const std::string& from);

}  // namespace smmu::cli

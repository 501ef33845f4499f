// SPDX-License-Identifier: Apache-2.0
// Background: the service as a daemon. The process that was started stays until the service is contained and
// listening, or has failed, and ends with the status that says which.
#pragma once

#include "base/unique_fd.hpp"
#include "daemon/exit_status.hpp"

namespace smmu::daemon {

class Background {
public:
    // Returns in the new process only; the old one waits for ready() or the new one's end.
    static Background enter();
    // Lets go of the terminal and of the process that waits.
    void ready();

private:
    explicit Background(UniqueFd waiting) : waiting_(std::move(waiting)) {}
    UniqueFd waiting_;
};

}  // namespace smmu::daemon

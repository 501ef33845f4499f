// SPDX-License-Identifier: Apache-2.0
// Check: what a start with this configuration would find, said without touching the hardware.
#pragma once

#include "daemon/command_line.hpp"

namespace smmu::daemon {

// Prints findings and configuration to paste on standard output. The exit status: 0 clean, 1 warnings, 2 errors.
int check(const CommandLine& line);

}  // namespace smmu::daemon

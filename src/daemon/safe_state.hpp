// SPDX-License-Identifier: Apache-2.0
// SafeState: what is left when a service ended without an orderly stop: its clients' devices are blocked, startup
// mappings stay (or go, with `exit block`).
#pragma once

#include "daemon/command_line.hpp"

namespace smmu::daemon {

// For a stop hook, with the words of the service. The exit status is that of a start; units that nobody switched on stay
// off. A service that runs is left alone (3).
int enter_safe_state(const CommandLine& line);

}  // namespace smmu::daemon

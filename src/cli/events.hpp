// SPDX-License-Identifier: Apache-2.0
// Events: transgressions as lines, from now on, as any monitor gets them (libsmmu).
#pragma once

namespace smmu::cli {

// Prints what comes within a second, or for ever (`follow`: until a signal ends it; a service that restarts is met
// again). False, with a sentence on standard error, when the service does not let this user listen.
bool print_events(bool follow, bool json);

}  // namespace smmu::cli

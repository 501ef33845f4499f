// SPDX-License-Identifier: Apache-2.0
// SafeState: what is left when a service ended without an orderly stop: its clients' devices are blocked, startup
// mappings stay (or go, with `exit block`).
#pragma once

#include "daemon/command_line.hpp"

namespace smmu::daemon {

// For a stop hook, with the words of the service. Units that walk tables of a service of this boot are dealt with, and no
// others. It asks for little: without a configuration that can be read, or without the table memory, these units refuse
// everything. Exit status: fine when nothing of ours is left open; hardware when a service runs (it is left alone) or a unit
// could not be looked at; not_contained when a unit did not follow.
int enter_safe_state(const CommandLine& line);

}  // namespace smmu::daemon

// SPDX-License-Identifier: Apache-2.0
// CommandLine: what the service was started for: words of the configuration, and the few options around them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "daemon/exit_status.hpp"

namespace smmu::daemon {

struct CommandLine {
    enum class Task {
        serve,
        check,       // --check: what would happen; touches no hardware
        safe_state,  // --safe-state: blocks what clients of a service that is gone left open
        help,
        version
    } task = Task::serve;
    std::optional<std::string> tables;  // --tables DIR: firmware tables from files
    std::vector<std::string> words;     // of the configuration
};

// ExitStatus::configuration for an option that does not exist, or two tasks.
Started<CommandLine> read_command_line(std::span<const std::string> arguments);

}  // namespace smmu::daemon

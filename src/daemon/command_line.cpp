// SPDX-License-Identifier: Apache-2.0
#include "daemon/command_line.hpp"

#include <array>
#include <string_view>
#include <utility>

namespace smmu::daemon {

namespace {

using Task = CommandLine::Task;
constexpr std::array<std::pair<std::string_view, Task>, 4> tasks{{{"--check", Task::check},
                                                                  {"--safe-state", Task::safe_state},
                                                                  {"--help", Task::help},
                                                                  {"--version", Task::version}}};

std::optional<Task> task_named(std::string_view option) {
    for (const auto& [name, task] : tasks)
        if (name == option) return task;
    return std::nullopt;
}

}  // namespace

Started<CommandLine> read_command_line(std::span<const std::string> arguments) {
    CommandLine line;
    const auto wrong = [](std::string text) {
        return stop(ExitStatus::configuration, "NOT CONTAINED: every unit was left as found: " + std::move(text));
    };
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& argument = arguments[i];
        if (!argument.starts_with("--")) {
            line.words.push_back(argument);
        } else if (argument == "--tables") {
            if (++i == arguments.size()) return wrong("--tables is followed by a folder with firmware tables");
            line.tables = arguments[i];
        } else if (const auto task = task_named(argument); !task) {
            return wrong(argument + ": no such option; words of the configuration have no dash, see --help");
        } else if (line.task != Task::serve) {
            return wrong(argument + ": one task at a time");
        } else {
            line.task = *task;
        }
    }
    return line;
}

}  // namespace smmu::daemon

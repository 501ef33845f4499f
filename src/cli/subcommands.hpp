// SPDX-License-Identifier: Apache-2.0
// Subcommands: all of them. A new one is a file with its function, its line here and one in the table.
#pragma once

#include "cli/subcommand.hpp"

namespace smmu::cli {

void add_views(CLI::App& app, Invocation& invocation);  // status, units, registers, devices, objects, mappings
void add_topology(CLI::App& app, Invocation& invocation);
void add_explain(CLI::App& app, Invocation& invocation);
void add_suggest(CLI::App& app, Invocation& invocation);
void add_events(CLI::App& app, Invocation& invocation);
void add_tables(CLI::App& app, Invocation& invocation);
void add_check(CLI::App& app, Invocation& invocation);
void add_administration(CLI::App& app, Invocation& invocation);  // reload, confirm, release

// In the order of the help.
inline constexpr AddSubcommand subcommands[] = {
    add_views,
    add_topology,
    add_explain,
    add_suggest,
    add_events,
    add_tables,
    add_check,
    add_administration,
};

}  // namespace smmu::cli

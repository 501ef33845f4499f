// SPDX-License-Identifier: Apache-2.0
// Subcommand: how a word of the command line becomes something that is run. Each has a file of its own, which declares
// its words and options; main.cpp holds the table of all of them.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

namespace smmu::cli {

// 0 all is well, 1 it is not (a unit is not contained, a check has warnings), 2 the question could not be answered.
enum ExitStatus : int { contained = 0, not_contained = 1, failed = 2 };

struct Style {
    bool colour = false;  // NO_COLOR unset and the output is a terminal
};

// What main() learns from the command line: the options of every subcommand, and what the chosen one does.
struct Invocation {
    bool json = false;
    std::string from;            // a status document to read instead of asking the service; empty: ask
    std::function<int()> run;    // set by the subcommand that was chosen; gives the exit status
};

// Adds one subcommand (or some of one kind) to the command line. Its callback sets `run`.
using AddSubcommand = void (*)(CLI::App& app, Invocation& invocation);

// The style of what goes to standard output.
Style style_of_output();
// Prints a sentence on standard error; the status to end with.
int complain(const std::string& text);

}  // namespace smmu::cli

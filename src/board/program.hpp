// SPDX-License-Identifier: Apache-2.0
// Program: what every program that is a board does: command line, places of its files, signals, the
// server. Which machine it runs is left to whoever derives from it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "board/machine.hpp"
#include "board/server.hpp"

namespace smmu::board {

struct Options {
    std::string board;
    std::string socket;
    std::string run_directory;
    std::string log;
    std::optional<int> lifetime;
    std::vector<std::string> replaced_tables;
    bool stop = false;
    bool help = false;
};

class Program {
public:
    // A machine that can be used; `words` go into the line that says so.
    struct Running {
        std::unique_ptr<Machine> machine;
        std::string words;
        std::vector<Server::Ending> endings;
    };

    virtual ~Program() = default;
    virtual std::string_view name() const = 0;
    virtual const char* usage() const = 0;
    // Reads the description that the options name and gives the board's name; fills in the log when
    // only the description says it.
    virtual Result<std::string> load(Options& options) = 0;
    // The options' paths are complete and their directories there.
    virtual Result<Running> start(const Options& options) = 0;

    // Runs a board in the foreground, or ends another. The exit status.
    int main(int count, char** arguments);

private:
    Result<std::string> run(Options options);
    Result<std::string> serve(const Options& options, const std::string& board, UniqueFd listener);
};

}  // namespace smmu::board

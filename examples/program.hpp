// SPDX-License-Identifier: Apache-2.0
// Program: another process, watched: what it prints is read from a file, so that it never waits for
// its reader.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

namespace demo {

using Patience = std::chrono::milliseconds;

class Program {
public:
    // Starts `words` with its output in the file `log`. It ends with this process.
    Program(std::vector<std::string> words, std::string log);
    ~Program();
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    // The next line that contains all of `parts`; empty when none came in time.
    std::string wait_line(const std::vector<std::string>& parts, Patience patience);
    // Sends a line to its standard input.
    void tell(const std::string& line);
    bool running();
    // Waits for its end. The exit status, 128 + signal, or -1 when it still runs.
    int wait_end(Patience patience);
    void kill(int signal);

    pid_t pid() const { return pid_; }
    const std::string& log() const { return log_; }

private:
    std::string log_;
    std::size_t seen_ = 0;  // bytes of the log that were handed out as lines
    int input_ = -1;
    pid_t pid_ = -1;
    int status_ = -1;
};

// Whole file as text; empty when it cannot be read.
std::string read_file(const std::string& path);

}  // namespace demo

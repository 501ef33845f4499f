// SPDX-License-Identifier: Apache-2.0
// Program: a program as a process that cannot outlive the test; every wait has a deadline.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.hpp"
#include "base/unique_fd.hpp"

namespace smmu::test {

inline constexpr Nanoseconds patience = std::chrono::seconds(20);  // sanitizers, loaded machines

// A program of the build, or by its path, with its output in a file.
class Program {
public:
    static Program start(const std::string& name, std::span<const std::string> words,
                         const std::string& output) {
        const bool is_path = name.find('/') != std::string::npos;
        std::vector<std::string> line = {is_path ? name : SMMU_BINARY_DIR "/bin/" + name};
        line.insert(line.end(), words.begin(), words.end());
        std::vector<char*> pointers;
        for (std::string& word : line) pointers.push_back(word.data());
        pointers.push_back(nullptr);
        const UniqueFd file(open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        const pid_t parent = getpid();
        Program program;
        program.pid_ = fork();
        if (program.pid_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (getppid() != parent) _exit(127);
            dup2(file.get(), STDOUT_FILENO);
            dup2(file.get(), STDERR_FILENO);
            close_range(3, ~0u, 0);
            execv(pointers[0], pointers.data());
            _exit(127);
        }
        return program;
    }
    Program() = default;
    Program(Program&& other) noexcept
        : pid_(std::exchange(other.pid_, 0)), status_(other.status_) {}
    Program& operator=(Program&& other) noexcept {
        end(SIGKILL);
        pid_ = std::exchange(other.pid_, 0);
        status_ = other.status_;
        return *this;
    }
    ~Program() { end(SIGKILL); }

    pid_t pid() const { return pid_; }
    // Its exit status (128 + the signal that ended it); nothing when it runs on after `time`.
    std::optional<int> wait_for_end(Nanoseconds time = patience) {
        const Instant deadline = std::chrono::steady_clock::now() + time;
        while (pid_ > 0) {
            int status = 0;
            if (waitpid(pid_, &status, WNOHANG) == pid_) {
                pid_ = 0;
                status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            } else if (std::chrono::steady_clock::now() > deadline) {
                return std::nullopt;
            } else {
                usleep(1000);
            }
        }
        return status_;
    }
    std::optional<int> end(int signal) {
        if (pid_ > 0) kill(pid_, signal);
        return wait_for_end();
    }

private:
    pid_t pid_ = 0;
    std::optional<int> status_;
};

}  // namespace smmu::test

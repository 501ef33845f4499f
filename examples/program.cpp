// SPDX-License-Identifier: Apache-2.0
#include "program.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <thread>

namespace demo {
namespace {

using Clock = std::chrono::steady_clock;
constexpr Patience pause{2};

bool contains_all(const std::string& line, const std::vector<std::string>& parts) {
    for (const auto& part : parts) {
        if (line.find(part) == std::string::npos) return false;
    }
    return true;
}

}  // namespace

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

Program::Program(std::vector<std::string> words, std::string log) : log_(std::move(log)) {
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    int input[2] = {-1, -1};
    if (pipe2(input, O_CLOEXEC) != 0) return;
    const int output = open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    pid_ = fork();
    if (pid_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        dup2(input[0], STDIN_FILENO);
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
        execv(arguments[0], arguments.data());
        _exit(127);
    }
    close(input[0]);
    close(output);
    input_ = input[1];
}

Program::~Program() {
    if (running()) {
        kill(SIGKILL);
        wait_end(Patience(5000));
    }
    if (input_ >= 0) close(input_);
}

std::string Program::wait_line(const std::vector<std::string>& parts, Patience patience) {
    const auto deadline = Clock::now() + patience;
    for (;;) {
        const bool last_look = !running();
        const std::string text = read_file(log_);
        for (std::size_t end; (end = text.find('\n', seen_)) != std::string::npos;) {
            std::string line = text.substr(seen_, end - seen_);
            seen_ = end + 1;
            if (contains_all(line, parts)) return line;
        }
        if (last_look || Clock::now() >= deadline) return {};
        std::this_thread::sleep_for(pause);
    }
}

void Program::tell(const std::string& line) {
    const std::string whole = line + "\n";
    // A program that is gone shows in its missing answer.
    [[maybe_unused]] const auto sent = write(input_, whole.data(), whole.size());
}

bool Program::running() {
    return pid_ > 0 && wait_end(Patience(0)) == -1;
}

int Program::wait_end(Patience patience) {
    const auto deadline = Clock::now() + patience;
    while (pid_ > 0 && status_ == -1) {
        int status = 0;
        if (waitpid(pid_, &status, WNOHANG) == pid_) {
            status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        } else if (Clock::now() >= deadline) {
            break;
        } else {
            std::this_thread::sleep_for(pause);
        }
    }
    return status_;
}

void Program::kill(int signal) {
    if (pid_ > 0 && status_ == -1) ::kill(pid_, signal);
}

}  // namespace demo

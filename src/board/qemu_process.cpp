// SPDX-License-Identifier: Apache-2.0
#include "board/qemu_process.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

namespace smmu::board {
namespace {

constexpr int exec_failed = 127;

// In the child, between fork and exec. The session of its own keeps a terminal's interrupt for the
// board process, which then ends QEMU in order.
[[noreturn]] void become(char* const* arguments, pid_t parent, int log,
                         std::span<const int> inherited) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(exec_failed);  // the parent died before the line above
    setsid();
    const int nothing = open("/dev/null", O_RDONLY);
    dup2(nothing, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    for (const int fd : inherited) fcntl(fd, F_SETFD, 0);
    execvp(arguments[0], arguments);
    const char* const reason = strerrordesc_np(errno);
    dprintf(STDERR_FILENO, "%s: %s\n", arguments[0],
            reason != nullptr ? reason : "cannot be started");
    _exit(exec_failed);
}

}  // namespace

Result<QemuProcess> QemuProcess::start(const std::vector<std::string>& arguments,
                                       const UniqueFd& log, std::span<const int> inherited) {
    std::vector<char*> pointers;
    for (const std::string& argument : arguments)
        pointers.push_back(const_cast<char*>(argument.c_str()));
    pointers.push_back(nullptr);
    const pid_t parent = getpid();
    const pid_t pid = fork();
    if (pid < 0)
        return fail(errno, fmt::format("starting {}: {}", arguments[0], std::strerror(errno)));
    if (pid == 0) become(pointers.data(), parent, log.get(), inherited);
    // The system call itself: this C library has no name for it that C++ can use.
    UniqueFd ended(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    return QemuProcess(pid, std::move(ended));
}

QemuProcess::~QemuProcess() {
    if (pid_ == 0) return;
    kill(pid_, SIGKILL);
    while (waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

}  // namespace smmu::board

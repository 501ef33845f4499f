// SPDX-License-Identifier: Apache-2.0
#include "daemon/background.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace smmu::daemon {

namespace {

[[noreturn]] void wait_for(pid_t service, UniqueFd ready) {
    char byte = 0;
    if (read(ready.get(), &byte, 1) == 1) _exit(int(ExitStatus::fine));
    int status = 0;
    waitpid(service, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : int(ExitStatus::internal));
}

}  // namespace

Background Background::enter() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        std::perror("smmuman: pipe");
        std::exit(int(ExitStatus::internal));
    }
    UniqueFd reading(ends[0]), writing(ends[1]);
    const pid_t service = fork();
    if (service < 0) {
        std::perror("smmuman: fork");
        std::exit(int(ExitStatus::internal));
    }
    if (service > 0) {
        writing.reset();
        wait_for(service, std::move(reading));
    }
    setsid();
    return Background(std::move(writing));
}

void Background::ready() {
    const UniqueFd nowhere(open("/dev/null", O_RDWR | O_CLOEXEC));
    // Standard error stays: it is where the log goes unless somebody closed it.
    dup2(nowhere.get(), STDIN_FILENO);
    dup2(nowhere.get(), STDOUT_FILENO);
    [[maybe_unused]] const auto told = write(waiting_.get(), "", 1);
    waiting_.reset();
}

}  // namespace smmu::daemon

// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/bus_probe.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstring>

#include "base/unique_fd.hpp"
#include "protocol/deadline.hpp"

namespace smmu::platform::linux {

namespace {

constexpr std::chrono::milliseconds longest_read{500};

// In the child: what the service has set up for signals is not for it, and it leaves no core. One that is never done keeps
// nothing open: no lock of the service's, and nobody's memory.
[[noreturn]] void read_and_end(const std::byte* at) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_DUMPABLE, 0);
    close_range(0, ~0u, 0);
    signal(SIGBUS, SIG_DFL);
    signal(SIGSEGV, SIG_DFL);
    [[maybe_unused]] const std::uint32_t value = *reinterpret_cast<const volatile std::uint32_t*>(at);
    _exit(0);
}

}  // namespace

Result<void> probe_first_register(std::span<const std::byte> registers) {
    if (registers.size() < sizeof(std::uint32_t)) return fail(EINVAL, "there is no room for a register");
    const pid_t child = fork();
    if (child < 0) return fail(errno, fmt::format("no process to try it with: {}", std::strerror(errno)));
    if (child == 0) read_and_end(registers.data());
    const UniqueFd ended(int(syscall(SYS_pidfd_open, child, 0)));
    const bool in_time = ended && protocol::wait_for(ended.get(), POLLIN, protocol::Deadline::after(longest_read));
    // A processor that is stuck in the read does not take the signal either: then the child is left behind.
    if (!in_time) kill(child, SIGKILL);
    int status = 0;
    if (waitpid(child, &status, in_time ? 0 : WNOHANG) != child || !in_time) return fail(ETIMEDOUT, "reading does not come to an end");
    if (WIFSIGNALED(status)) return fail(EIO, fmt::format("reading ends in a bus error ({})", strsignal(WTERMSIG(status))));
    return {};
}

}  // namespace smmu::platform::linux

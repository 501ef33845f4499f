// SPDX-License-Identifier: Apache-2.0
// The real service as a process of a test: started on a board, awaited, terminated, killed.
//
//   test::ServiceProcess service(*board, {"exit", "block"});
//   ASSERT_TRUE(service.start()) << service.said();
//   ASSERT_EQ(smmu_init(0), 0);  // SMMUMAN_SOCKET is set
#pragma once

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <mutex>

#include "tests/board/board_fixture.hpp"

namespace smmu::test {

// smmuman on one board. kill_now() may be called from any thread, also while start() waits.
class ServiceProcess {
public:
    static constexpr Nanoseconds patience =
        std::chrono::seconds(60);  // sanitizers, probes at every write

    // `words` are configuration words besides platform, socket and kind of unit.
    ServiceProcess(const BoardProcess& board, std::vector<std::string> words, std::string kind = "vtd")
        : directory_(board.directory()), words_(std::move(words)), kind_(std::move(kind)) {
        setenv("SMMUMAN_SOCKET", socket().c_str(), 1);
        setenv("SMMU_BOARD_DIR", directory_.c_str(), 1);  // its socket is board.sock there
    }
    ServiceProcess(const ServiceProcess&) = delete;
    ServiceProcess& operator=(const ServiceProcess&) = delete;
    ~ServiceProcess() { kill_now(); }

    std::string socket() const { return directory_ + "/smmuman.sock"; }
    std::string said() const { return contents(log()); }  // by the latest instance
    pid_t pid() const {
        const std::lock_guard lock(mutex_);
        return pid_;
    }

    // Starts an instance and waits until clients can connect. False: it ended, or was not in time.
    bool start() {
        launch();
        const Instant deadline = std::chrono::steady_clock::now() + patience;
        while (std::chrono::steady_clock::now() < deadline) {
            if (connectable()) return true;
            if (wait_for_end(Nanoseconds{0})) return false;
            usleep(1000);
        }
        return false;
    }
    // Starts an instance and does not wait.
    void launch() {
        unlink(socket().c_str());
        std::vector<std::string> line;
        if (under_kill_at_) line = {SMMU_BINARY_DIR "/bin/kill_at", std::to_string(*under_kill_at_)};
        line.insert(line.end(), {SMMU_BINARY_DIR "/bin/smmuman", "smmu", kind_});
        line.insert(line.end(), words_.begin(), words_.end());
        line.insert(line.end(), {"platform", "board", "board", "socket", socket(), "foreground"});
        std::vector<char*> pointers;
        for (std::string& argument : line) pointers.push_back(argument.data());
        pointers.push_back(nullptr);
        const std::string path = log();
        const std::lock_guard lock(mutex_);
        status_.reset();
        pid_ = fork();
        if (pid_ != 0) return;
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        const int output = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
        execv(pointers[0], pointers.data());
        _exit(127);
    }

    // Instances from now on run under kill_at with that count, which sees stores into live tables on a board; nothing: as usual.
    void run_under_kill_at(std::optional<std::size_t> count) { under_kill_at_ = count; }

    // SIGKILL; returns when the process is gone.
    void kill_now() {
        const std::lock_guard lock(mutex_);
        if (pid_ <= 0) return;
        kill(pid_, SIGKILL);
        int status = 0;
        if (waitpid(pid_, &status, 0) == pid_) status_ = 128 + SIGKILL;
        pid_ = 0;
    }
    // An orderly stop; the exit status, or nothing when it did not end in time.
    std::optional<int> terminate() {
        {
            const std::lock_guard lock(mutex_);
            if (pid_ > 0) kill(pid_, SIGTERM);
        }
        return wait_for_end(patience);
    }
    // The exit status once it has ended (128 + the signal that killed it).
    std::optional<int> wait_for_end(Nanoseconds how_long) {
        const Instant deadline = std::chrono::steady_clock::now() + how_long;
        for (;;) {
            {
                const std::lock_guard lock(mutex_);
                int status = 0;
                if (pid_ > 0 && waitpid(pid_, &status, WNOHANG) == pid_) {
                    pid_ = 0;
                    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
                }
                if (pid_ <= 0) return status_;
            }
            if (std::chrono::steady_clock::now() >= deadline) return std::nullopt;
            usleep(1000);
        }
    }

private:
    std::string log() const { return directory_ + "/smmuman.log"; }
    bool connectable() const {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const std::string path = socket();
        std::memcpy(address.sun_path, path.c_str(),
                    std::min(path.size(), sizeof address.sun_path - 1));
        const UniqueFd probe(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
        return connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
               0;
    }

    std::string directory_;
    std::vector<std::string> words_;
    std::string kind_;
    mutable std::mutex mutex_;
    pid_t pid_ = 0;
    std::optional<int> status_;
    std::optional<std::size_t> under_kill_at_;
};

}  // namespace smmu::test

// SPDX-License-Identifier: Apache-2.0
// Stage: what the benchmarks measure on: a board and the service on it, in a directory of their
// own. Every process ends with its object and with the benchmark, and every wait has a deadline.
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.hpp"
#include "null/devices.hpp"

namespace bench {

using Clock = std::chrono::steady_clock;
inline constexpr std::chrono::seconds patience{30};

[[noreturn]] inline void give_up(const std::string& why) {
    fmt::print(stderr, "benchmark: {}\n", why);
    std::exit(EXIT_FAILURE);
}

inline double milliseconds(Clock::duration time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

inline double median(std::vector<double> values) {
    if (values.empty()) give_up("nothing was measured");
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

inline std::string contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// "1.20 0.80 0.50": what else this machine was doing.
inline std::string load() {
    std::string text = contents("/proc/loadavg");
    return text.substr(0, text.find_last_of('/')).substr(0, 14);
}

// A processor for the one side and one for the other; on a machine with one, the same.
inline void pin(pid_t process, unsigned which) {
    cpu_set_t allowed, one;
    CPU_ZERO(&one);
    if (sched_getaffinity(getpid(), sizeof allowed, &allowed) != 0) return;
    static const cpu_set_t all = allowed;
    const int count = CPU_COUNT(&all);
    int skip = int(which) % count;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(cpu, &all) && skip-- == 0) CPU_SET(cpu, &one);
    sched_setaffinity(process, sizeof one, &one);
}

class Directory {
public:
    Directory() {
        path_ = (std::filesystem::temp_directory_path() / "smmu-bench-XXXXXX").string();
        if (mkdtemp(path_.data()) == nullptr) give_up("no temporary directory");
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    const std::string& path() const { return path_; }
    std::string file(std::string_view name) const { return path_ + "/" + std::string(name); }

private:
    std::string path_;
};

// A process that cannot outlive the benchmark.
class Process {
public:
    Process() = default;
    // `program` lies beside the benchmark unless it is a whole path.
    Process(const std::string& program, std::vector<std::string> words, const std::string& log) {
        const auto beside = std::filesystem::read_symlink("/proc/self/exe").parent_path() / program;
        words.insert(words.begin(), beside.string());
        std::vector<char*> pointers;
        for (std::string& word : words) pointers.push_back(word.data());
        pointers.push_back(nullptr);
        const smmu::UniqueFd output(
            open(log.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        pid_ = vfork();
        if (pid_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            dup2(output.get(), STDOUT_FILENO);
            dup2(output.get(), STDERR_FILENO);
            execv(pointers[0], pointers.data());
            _exit(127);
        }
        if (pid_ < 0) give_up("no process for " + program);
    }
    // The calling process goes on in `work` as a child of its own.
    template <class Work>
    static Process running(Work work) {
        Process process;
        process.pid_ = fork();
        if (process.pid_ < 0) give_up("no process");
        if (process.pid_ == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            work();
            _exit(EXIT_SUCCESS);
        }
        return process;
    }
    Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
    Process& operator=(Process&& other) noexcept {
        end(SIGKILL);
        pid_ = std::exchange(other.pid_, 0);
        return *this;
    }
    ~Process() { end(SIGKILL); }

    pid_t pid() const { return pid_; }
    // For programs that are known to end.
    void wait() {
        waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }
    bool wait_for_end() {
        const auto deadline = Clock::now() + patience;
        while (pid_ > 0 && Clock::now() < deadline) {
            if (waitpid(pid_, nullptr, WNOHANG) == pid_)
                pid_ = 0;
            else
                usleep(500);
        }
        return pid_ == 0;
    }
    void end(int signal) {
        if (pid_ <= 0) return;
        kill(pid_, signal);
        if (wait_for_end()) return;
        kill(pid_, SIGKILL);
        waitpid(pid_, nullptr, 0);
        pid_ = 0;
    }

private:
    pid_t pid_ = 0;
};

// An emulated board; what smmu-board says of its own start is kept.
class Board {
public:
    explicit Board(const Directory& directory, const std::string& name = "q35-vtd")
        : name_(name), log_(directory.file("board.log")) {
        const char* const boards = std::getenv("SMMU_BOARDS");
        if (boards == nullptr) give_up("SMMU_BOARDS must name the directory of board descriptions");
        setenv("SMMU_BOARD_DIR", directory.path().c_str(), 1);
        process_ = Process("smmu-board", {fmt::format("{}/{}.json", boards, name)}, log_);
        const auto deadline = Clock::now() + patience;
        while (contents(log_).find("\n") == std::string::npos) {
            if (Clock::now() > deadline) give_up("the board is not ready: " + contents(log_));
            usleep(1000);
        }
        const std::string line = contents(log_);
        const auto at = line.find(" ms=");
        if (!line.starts_with("ready ") || at == std::string::npos)
            give_up("the board said: " + line);
        start_milliseconds_ = std::atof(line.c_str() + at + 4);
    }
    // Asked to end, it takes QEMU along.
    ~Board() { process_.end(SIGTERM); }

    const std::string& name() const { return name_; }
    double start_milliseconds() const { return start_milliseconds_; }

private:
    std::string name_, log_;
    Process process_;
    double start_milliseconds_ = 0;
};

// The service; it is there once it has said READY.
class Service {
public:
    Service(const Directory& directory, const Board& board)
        : Service(directory, "smmuman",
                  {"smmu", board.name().starts_with("virt") ? "armsmmuv3" : "vtd", "platform", "board",
                   board.name()}) {}
    // On a machine without hardware (benchmarks/null): one unit and its devices, and so much table memory.
    Service(const Directory& directory, const std::string& table_bytes)
        : Service(directory, "smmuman-null", null_machine(table_bytes)) {}
    // No service: a program with its libraries that answers one hello.
    static Service floor(const Directory& directory) { return {directory, "smmuman-floor", {}}; }

    pid_t pid() const { return process_.pid(); }
    void end(int signal) { process_.end(signal); }
    // From before its process was made until it said READY.
    Clock::duration start_time() const { return start_time_; }
    // What the service itself says that containing took, of that time.
    double own_milliseconds() const {
        const std::string said = contents(log_);
        const auto at = said.rfind(", ");
        return at == std::string::npos ? 0 : std::atof(said.c_str() + at + 2);
    }

private:
    Service(const Directory& directory, const char* program, std::vector<std::string> words)
        : log_(directory.file("smmuman.log")) {
        const std::string socket = directory.file("smmuman.sock");
        const std::string ready = directory.file("ready.sock");
        setenv("SMMUMAN_SOCKET", socket.c_str(), 1);
        setenv("NOTIFY_SOCKET", ready.c_str(), 1);
        const smmu::UniqueFd notified = receiver(ready);
        words.insert(words.end(), {"socket", socket, "foreground"});
        const auto begun = Clock::now();
        process_ = Process(program, std::move(words), log_);
        wait_for_ready(notified);
        start_time_ = Clock::now() - begun;
        unsetenv("NOTIFY_SOCKET");
    }
    static std::vector<std::string> null_machine(const std::string& table_bytes) {
        std::vector<std::string> words{"platform", "board", "null", "tables", table_bytes,
                                       "smmu", "armsmmuv3", "unit", "null0", "0x8000000,1,2,0"};
        for (unsigned i = 0; i < null_devices; ++i)
            words.insert(words.end(), {"device", fmt::format("mem:{:#x},0x1000", null_device(i)), "use", "null0",
                                       std::to_string(i + 1)});
        return words;
    }
    static smmu::UniqueFd receiver(const std::string& path) {
        unlink(path.c_str());
        smmu::UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (path.size() >= sizeof address.sun_path)
            give_up("the temporary directory's name is too long");
        std::memcpy(address.sun_path, path.data(), path.size());
        const auto* name = static_cast<const sockaddr*>(static_cast<const void*>(&address));
        if (bind(socket.get(), name, sizeof address) != 0)
            give_up("no socket for the readiness message");
        return socket;
    }
    void wait_for_ready(const smmu::UniqueFd& notified) {
        std::array<char, 1024> message;
        pollfd polled{notified.get(), POLLIN, 0};
        const int wait = int(std::chrono::milliseconds(patience).count());
        const bool came = poll(&polled, 1, wait) == 1;
        const ssize_t got = came ? recv(notified.get(), message.data(), message.size(), 0) : -1;
        if (got < 0 || !std::string_view(message.data(), std::size_t(got)).starts_with("READY=1"))
            give_up("the service is not ready: " + contents(log_));
    }

    std::string log_;
    Process process_;
    Clock::duration start_time_{};
};

}  // namespace bench

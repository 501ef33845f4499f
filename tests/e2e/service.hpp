// SPDX-License-Identifier: Apache-2.0
// Service: the real smmuman on a board, as a process that cannot outlive the test. What it says on
// standard error is kept in a file; every wait has a deadline.
//
//   auto service = test::Service::start(*board, {"smmu", "vtd"});
//   ASSERT_TRUE(service) << service.error().text;
//   service->end(SIGTERM);
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <span>
#include <string>
#include <vector>

#include "report/status.hpp"
#include "tests/board/board_fixture.hpp"
#include "tests/program.hpp"

namespace smmu::test {

// A program run to its end: exit status (-1: it did not end in time) and everything it printed.
struct Ran {
    int status;
    std::string output;
};
inline Ran run(const BoardProcess& board, const std::string& name,
               const std::vector<std::string>& words) {
    static std::atomic<int> number;
    const std::string output = fmt::format("{}/{}.{}.out", board.directory(), name, ++number);
    Program program = Program::start(name, words, output);
    const auto status = program.wait_for_end();
    return {status.value_or(-1), contents(output)};
}

class Service {
public:
    // The words that every service of a test begins with.
    static std::vector<std::string> words(const BoardProcess& board,
                                          const std::vector<std::string>& further) {
        setenv("SMMU_BOARD_DIR", board.directory().c_str(), 1);  // board.sock is there
        std::vector<std::string> all = {"platform", "board",       "board",
                                        "socket",   socket(board), "foreground"};
        all.insert(all.end(), further.begin(), further.end());
        return all;
    }
    static std::string socket(const BoardProcess& board) {
        return board.directory() + "/smmuman.sock";
    }

    // Ready: the hardware contains and the socket answers.
    static Result<Service> start(const BoardProcess& board,
                                 const std::vector<std::string>& further = {"smmu", "vtd"}) {
        static std::atomic<int> number;
        chmod(board.directory().c_str(), 0711);  // other users connect too
        Service service;
        service.said_ = fmt::format("{}/smmuman.{}.err", board.directory(), ++number);
        setenv("SMMUMAN_SOCKET", socket(board).c_str(), 1);
        service.program_ = Program::start("smmuman", words(board, further), service.said_);
        const Instant deadline = std::chrono::steady_clock::now() + patience;
        while (service.said().find("devices behind no unit") == std::string::npos) {
            if (const auto status = service.program_.wait_for_end(Nanoseconds{0}))
                return fail(EIO,
                            fmt::format("the service ended with {}: {}", *status, service.said()));
            if (std::chrono::steady_clock::now() > deadline)
                return fail(ETIMEDOUT, "the service is not ready in time: " + service.said());
            usleep(2000);
        }
        return service;
    }

    std::string said() const { return contents(said_); }
    pid_t pid() const { return program_.pid(); }
    bool alive() { return pid() > 0 && !program_.wait_for_end(Nanoseconds{0}); }
    std::optional<int> end(int signal) { return program_.end(signal); }
    std::optional<int> wait_for_end() { return program_.wait_for_end(); }

    // What the service says of itself, by way of smmuctl.
    static report::Status status(const BoardProcess& board) {
        report::Status status;
        std::string why = "smmuctl";
        const Ran ran = run(board, "smmuctl", {"--socket", socket(board), "--json", "status"});
        if (ran.status < 0 || !report::from_json(ran.output, status, why))
            throw std::runtime_error("no status: " + why + " " + ran.output);
        return status;
    }

private:
    Program program_;
    std::string said_;
};

}  // namespace smmu::test

// SPDX-License-Identifier: Apache-2.0
// How long it takes from starting the service until it contains and serves, on a board that nobody
// has driven yet and on one whose service was killed, in turn with programs that do nothing. And
// until the first client is answered, on a machine without hardware, in turn with a program with
// the same libraries that opens a listening socket and no more.
//
//   start [boards]
//
// rooms: client protocol
#include <smmu.h>

#include <functional>

#include "stage.hpp"

namespace {

using namespace bench;

// One way of starting.
struct Row {
    const char* name;
    std::vector<double> whole{};
    std::vector<double> own{};  // from the service's first look at the machine until it contains
};

void add(Row& row, const Service& service) {
    row.whole.push_back(milliseconds(service.start_time()));
    row.own.push_back(service.own_milliseconds());
}

// From making a process until it has ended.
void add_run(Row& row, const char* program, std::vector<std::string> words) {
    const auto begun = Clock::now();
    Process process(program, std::move(words), "/dev/null");
    process.wait();
    row.whole.push_back(milliseconds(Clock::now() - begun));
}

// From making a process until a client has its first answer from it.
void add_first_answer(Row& row, const std::function<Service(const Directory&)>& start) {
    const Directory directory;
    const auto begun = Clock::now();
    Service service = start(directory);
    if (smmu_init(0) != 0) give_up(fmt::format("smmu_init: {}", std::strerror(errno)));
    row.whole.push_back(milliseconds(Clock::now() - begun));
    smmu_fini();
    service.end(SIGKILL);
}

void print_head(const std::string& text) {
    fmt::print("load {}, {}\n{:44} {:>9} {:>9} {:>14}\n", load(), text, "", "ms", "best", "after loading");
}

void print(const Row& row) {
    fmt::print("{:44} {:9.2f} {:9.2f} {:>14}\n", row.name, median(row.whole),
               *std::ranges::min_element(row.whole),
               row.own.empty() ? "" : fmt::format("{:.1f}", median(row.own)));
}

void without_hardware(int rounds) {
    Row floor{"a listening socket, the same libraries"}, service{"the service without hardware"};
    for (int i = 0; i < rounds; ++i) {
        add_first_answer(floor, Service::floor);
        add_first_answer(service, [](const Directory& directory) { return Service(directory, "32M"); });
    }
    print_head(fmt::format("until the first answer, medians of {} in turn", rounds));
    print(floor);
    print(service);
    fmt::print("{:44} {:8.2f}x\n", "", median(service.whole) / median(floor.whole));
}

}  // namespace

int main(int count, char** words) {
    const int boards = count > 1 ? std::max(1, std::atoi(words[1])) : 5;
    constexpr int restarts = 4;
    without_hardware(8 * boards);
    Row empty{"/bin/true"}, version{"smmuman --version"}, fresh{"first start"},
        orderly{"start after SIGTERM"}, adopting{"start after SIGKILL (adoption)"};
    std::vector<double> board_start;
    for (int i = 0; i < boards; ++i) {
        const Directory directory;
        const Board board(directory);
        board_start.push_back(board.start_milliseconds());
        Service service(directory, board);
        add(fresh, service);
        for (int restart = 0; restart < restarts; ++restart) {
            add_run(empty, "/bin/true", {});
            add_run(version, "smmuman", {"--version"});
            service.end(SIGKILL);
            Service adopted(directory, board);
            add(adopting, adopted);
            adopted.end(SIGTERM);
            service = Service(directory, board);
            add(orderly, service);
        }
        service.end(SIGTERM);
    }
    print_head(fmt::format("medians over {} boards (board's own start {:.0f} ms), {} restarts on each", boards,
                           median(board_start), restarts));
    for (const Row* row : {&empty, &version, &fresh, &orderly, &adopting}) print(*row);
}

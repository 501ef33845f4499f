// SPDX-License-Identifier: Apache-2.0
// How much memory the service keeps: idle, and with clients that each have an object with a grant.
// Table memory is the board's and counted on its own: it is the hardware's as much as the
// service's.
//
//   memory [clients]
//
// rooms: client
#include <smmu.h>

#include <sstream>

#include "stage.hpp"

namespace {

using namespace bench;

// KiB, from /proc.
struct Usage {
    std::uint64_t resident = 0;
    std::uint64_t own = 0;     // proportional share of everything but table memory
    std::uint64_t tables = 0;  // resident table memory
};

Usage usage_of(pid_t process) {
    Usage usage;
    std::istringstream lines(contents(fmt::format("/proc/{}/smaps", process)));
    bool is_table_memory = false;
    for (std::string line; std::getline(lines, line);) {
        const std::string word = line.substr(0, line.find(' '));
        if (!word.ends_with(':')) is_table_memory = line.find(" rw-s ") != std::string::npos;
        const std::uint64_t kib = std::strtoull(line.c_str() + word.size(), nullptr, 10);
        if (word == "Rss:") (is_table_memory ? usage.tables : usage.resident) += kib;
        if (word == "Pss:" && !is_table_memory) usage.own += kib;
    }
    usage.resident += usage.tables;
    return usage;
}

void print(const std::string& name, const Usage& usage) {
    fmt::print("{:34} {:9.2f} {:9.2f} {:9.2f}\n", name, double(usage.resident) / 1024,
               double(usage.own) / 1024, double(usage.tables) / 1024);
}

// A client that keeps an object with a grant until `until` is closed; its number makes the grant
// its own.
void be_client(std::uint64_t number, int ready, int until) {
    smmu_map_entry entry{};
    entry.phys = 0x200'0000 + number * 0x1000;
    entry.len = 0x1000;
    smmu_object* const object = smmu_init(0) == 0 ? smmu_obj_create(SOCF_NONE) : nullptr;
    const bool granted =
        object != nullptr && smmu_mapping_add(object, SMF_READ, 0, 1, &entry, 0) == 0;
    char word = granted ? 'y' : 'n';
    if (write(ready, &word, 1) == 1) [[maybe_unused]]
        const auto closed = read(until, &word, 1);
}

class Clients {
public:
    explicit Clients(int count) {
        std::array<int, 2> ready{}, until{};
        if (pipe2(ready.data(), O_CLOEXEC) != 0 || pipe2(until.data(), O_CLOEXEC) != 0)
            give_up("no pipe");
        const smmu::UniqueFd ready_end(ready[0]), until_end(until[0]);
        smmu::UniqueFd their_end(ready[1]);
        until_.reset(until[1]);
        for (int i = 0; i < count; ++i)
            processes_.push_back(Process::running([&] {
                until_.reset();
                be_client(std::uint64_t(i), their_end.get(), until_end.get());
            }));
        their_end.reset();
        for (int i = 0; i < count; ++i) {
            pollfd polled{ready_end.get(), POLLIN, 0};
            char word = 'n';
            const int wait = int(std::chrono::milliseconds(patience).count());
            if (poll(&polled, 1, wait) != 1 || read(ready_end.get(), &word, 1) != 1 || word != 'y')
                give_up("a client could not grant its memory");
        }
    }

private:
    std::vector<Process> processes_;
    smmu::UniqueFd until_;
};

}  // namespace

int main(int count, char** words) {
    const int clients = count > 1 ? std::max(1, std::atoi(words[1])) : 64;
    const Directory directory;
    const Board board(directory);
    Service service(directory, board);
    fmt::print("{:34} {:>9} {:>9} {:>9}\n", "MiB", "resident", "own", "tables");
    print("idle", usage_of(service.pid()));
    {
        const Clients connected(clients);
        print(fmt::format("{} clients, an object each", clients), usage_of(service.pid()));
    }
    print("after their end", usage_of(service.pid()));
    service.end(SIGTERM);
}

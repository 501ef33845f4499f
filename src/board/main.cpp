// SPDX-License-Identifier: Apache-2.0
// smmu-board: runs an emulated board as a process of its own, so that it outlives the service,
// drivers and monitors that use it, as hardware does.
#include <fcntl.h>
#include <fmt/format.h>
#include <getopt.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>

#include "board/description.hpp"
#include "board/qemu_machine.hpp"
#include "board/server.hpp"
#include "link/client.hpp"

namespace {

using namespace smmu;

constexpr int listen_backlog = 64;
constexpr int usage_error = 2;

constexpr const char* usage =
    "usage: smmu-board [options] NAME|FILE.json   run a board in the foreground\n"
    "       smmu-board --stop NAME|SOCKET         end a running one\n"
    "  --socket PATH              listen here (default: NAME.sock in SMMU_BOARD_DIR or "
    "/run/smmuman/boards)\n"
    "  --run-dir DIR              for the log and other files (default: the socket's path with "
    ".run)\n"
    "  --lifetime-fd N            end when the other end of descriptor N is closed\n"
    "  --log FILE                 what QEMU prints, refused accesses among it (default: qemu.log "
    "in DIR)\n"
    "  --replace-table NAME=FILE  hand out FILE as that ACPI table (NAME=hex:... for bytes, "
    "NAME=hex: for none)\n"
    "Prints 'ready NAME socket=... log=... qmp=... pid=... qemu=... ms=...' when the board can be "
    "used.\n";

struct Options {
    std::string board;
    std::string socket;
    std::string run_directory;
    std::string log;
    std::optional<int> lifetime;
    std::vector<std::string> replaced_tables;
    bool stop = false;
    bool help = false;
};

Result<Options> parse(int count, char** arguments) {
    constexpr std::array<option, 8> known = {{{"socket", required_argument, nullptr, 's'},
                                              {"run-dir", required_argument, nullptr, 'd'},
                                              {"lifetime-fd", required_argument, nullptr, 'f'},
                                              {"log", required_argument, nullptr, 'l'},
                                              {"replace-table", required_argument, nullptr, 't'},
                                              {"stop", no_argument, nullptr, 'x'},
                                              {"help", no_argument, nullptr, 'h'},
                                              {nullptr, 0, nullptr, 0}}};
    Options options;
    for (int key; (key = getopt_long(count, arguments, "h", known.data(), nullptr)) != -1;) {
        switch (key) {
            case 's':
                options.socket = optarg;
                break;
            case 'd':
                options.run_directory = optarg;
                break;
            case 'l':
                options.log = optarg;
                break;
            case 't':
                options.replaced_tables.emplace_back(optarg);
                break;
            case 'x':
                options.stop = true;
                break;
            case 'h':
                options.help = true;
                break;
            case 'f': {
                int descriptor = -1;
                const char* const end = optarg + std::strlen(optarg);
                const auto parsed = std::from_chars(optarg, end, descriptor);
                if (parsed.ec != std::errc() || parsed.ptr != end || fcntl(descriptor, F_GETFD) < 0)
                    return fail(EINVAL,
                                fmt::format("--lifetime-fd {}: not an open descriptor", optarg));
                options.lifetime = descriptor;
                break;
            }
            default:
                return fail(EINVAL, "see smmu-board --help");
        }
    }
    if (!options.help && optind != count - 1)
        return fail(EINVAL, "name one board; see smmu-board --help");
    if (!options.help) options.board = arguments[optind];
    return options;
}

// Completes the description and the paths from the command line; makes the directories.
Result<board::Description> prepare(Options& options) {
    namespace fs = std::filesystem;
    SMMU_TRY(board::Description description, board::load_description(options.board));
    for (const std::string& replaced : options.replaced_tables) {
        const std::size_t equals = replaced.find('=');
        if (equals == 0 || equals == std::string::npos)
            return fail(EINVAL, fmt::format("--replace-table {}: NAME=FILE is wanted", replaced));
        SMMU_TRY(description.replaced_tables[replaced.substr(0, equals)],
                 board::table_bytes(replaced.substr(equals + 1), fs::current_path().string()));
    }
    if (options.socket.empty()) options.socket = link::socket_path(description.name);
    if (options.run_directory.empty())
        options.run_directory = fs::path(options.socket).replace_extension(".run").string();
    if (!options.log.empty()) description.log = options.log;
    if (!description.log.empty()) description.log = fs::absolute(description.log).string();
    options.run_directory = fs::absolute(options.run_directory).string();
    options.socket = fs::absolute(options.socket).string();
    std::error_code wrong;
    fs::create_directories(options.run_directory, wrong);
    if (!wrong) fs::create_directories(fs::path(options.socket).parent_path(), wrong);
    if (wrong)
        return fail(wrong.value(), fmt::format("directories for {} and {}: {}", options.socket,
                                               options.run_directory, wrong.message()));
    return description;
}

Result<UniqueFd> termination_signals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, nullptr);
    UniqueFd descriptor(signalfd(-1, &signals, SFD_CLOEXEC));
    if (!descriptor) return fail(errno, "no descriptor for signals");
    return descriptor;
}

Result<std::string> run(const Options& options, const board::Description& description,
                        UniqueFd listener) {
    const auto began = std::chrono::steady_clock::now();
    SMMU_TRY(const auto machine, board::QemuMachine::start(description, options.run_directory));
    // Not before QEMU is started, which would inherit the mask.
    SMMU_TRY(const UniqueFd signals, termination_signals());
    std::vector<board::Server::Ending> endings = {
        {signals.get(), EPOLLIN, "asked to end by a signal", false},
        {machine->process().ended(), EPOLLIN,
         fmt::format("QEMU ended; {} may say why", machine->description().log_path), true}};
    if (options.lifetime)
        endings.push_back(
            {*options.lifetime, EPOLLRDHUP, "the starter's lifetime descriptor closed", false});
    const auto took = std::chrono::steady_clock::now() - began;
    fmt::print("ready {} socket={} log={} qmp={} pid={} qemu={} ms={}\n", description.name,
               options.socket, machine->description().log_path, machine->monitor_path(), getpid(),
               machine->process().pid(), took / std::chrono::milliseconds(1));
    std::fflush(stdout);
    board::Server server(std::move(listener), *machine);
    return server.run(endings);
}

Result<std::string> run(Options options) {
    if (options.stop) {
        const std::string path =
            options.socket.empty() ? link::socket_path(options.board) : options.socket;
        SMMU_TRY(const auto client, link::Client::connect(path));
        SMMU_CHECK(client->shut_down());
        return std::string("asked to end");
    }
    if (options.lifetime) fcntl(*options.lifetime, F_SETFD, FD_CLOEXEC);
    SMMU_TRY(const board::Description description, prepare(options));
    SMMU_TRY(UniqueFd listener, link::PacketSocket::listen(options.socket, listen_backlog));
    auto ended = run(options, description, std::move(listener));
    unlink(options.socket.c_str());
    return ended;
}

}  // namespace

int main(int count, char** arguments) {
    auto options = parse(count, arguments);
    if (!options) {
        fmt::print(stderr, "smmu-board: {}\n", options.error().text);
        return usage_error;
    }
    if (options->help) {
        std::fputs(usage, stdout);
        return EXIT_SUCCESS;
    }
    const std::string board = options->board;
    const auto ended = run(*std::move(options));
    if (!ended)
        fmt::print(stderr, "smmu-board: {}\n", ended.error().text);
    else
        fmt::print(stderr, "smmu-board: {}: {}\n", board, *ended);
    return ended ? EXIT_SUCCESS : EXIT_FAILURE;
}

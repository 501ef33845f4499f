// SPDX-License-Identifier: Apache-2.0
#include "board/program.hpp"

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

#include "link/client.hpp"

namespace smmu::board {
namespace {

constexpr int listen_backlog = 64;
constexpr int usage_error = 2;

Result<Options> parse(int count, char** arguments, std::string_view program) {
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
                return fail(EINVAL, fmt::format("see {} --help", program));
        }
    }
    if (!options.help && optind != count - 1)
        return fail(EINVAL, fmt::format("name one board; see {} --help", program));
    if (!options.help) options.board = arguments[optind];
    return options;
}

// Completes the paths and makes the directories.
Result<void> prepare(Options& options, const std::string& board) {
    namespace fs = std::filesystem;
    if (options.socket.empty()) options.socket = link::socket_path(board);
    if (options.run_directory.empty())
        options.run_directory = fs::path(options.socket).replace_extension(".run").string();
    if (!options.log.empty()) options.log = fs::absolute(options.log).string();
    options.run_directory = fs::absolute(options.run_directory).string();
    options.socket = fs::absolute(options.socket).string();
    std::error_code wrong;
    fs::create_directories(options.run_directory, wrong);
    if (!wrong) fs::create_directories(fs::path(options.socket).parent_path(), wrong);
    if (wrong)
        return fail(wrong.value(), fmt::format("directories for {} and {}: {}", options.socket,
                                               options.run_directory, wrong.message()));
    return {};
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

}  // namespace

Result<std::string> Program::serve(const Options& options, const std::string& board,
                                   UniqueFd listener) {
    const auto began = std::chrono::steady_clock::now();
    SMMU_TRY(Running running, start(options));
    // Not before the machine is started: a process of its own would inherit the mask.
    SMMU_TRY(const UniqueFd signals, termination_signals());
    running.endings.push_back({signals.get(), EPOLLIN, "asked to end by a signal", false});
    if (options.lifetime)
        running.endings.push_back(
            {*options.lifetime, EPOLLRDHUP, "the starter's lifetime descriptor closed", false});
    const auto took = std::chrono::steady_clock::now() - began;
    fmt::print("ready {} socket={} log={} {} ms={}\n", board, options.socket,
               running.machine->description().log_path, running.words,
               took / std::chrono::milliseconds(1));
    std::fflush(stdout);
    Server server(std::move(listener), *running.machine);
    return server.run(running.endings);
}

Result<std::string> Program::run(Options options) {
    if (options.stop) {
        const std::string path =
            options.socket.empty() ? link::socket_path(options.board) : options.socket;
        SMMU_TRY(const auto client, link::Client::connect(path));
        SMMU_CHECK(client->shut_down());
        return std::string("asked to end");
    }
    if (options.lifetime) fcntl(*options.lifetime, F_SETFD, FD_CLOEXEC);
    SMMU_TRY(const std::string board, load(options));
    SMMU_CHECK(prepare(options, board));
    SMMU_TRY(UniqueFd listener, link::PacketSocket::listen(options.socket, listen_backlog));
    auto ended = serve(options, board, std::move(listener));
    unlink(options.socket.c_str());
    return ended;
}

int Program::main(int count, char** arguments) {
    auto options = parse(count, arguments, name());
    if (!options) {
        fmt::print(stderr, "{}: {}\n", name(), options.error().text);
        return usage_error;
    }
    if (options->help) {
        std::fputs(usage(), stdout);
        return EXIT_SUCCESS;
    }
    const std::string board = options->board;
    const auto ended = run(*std::move(options));
    if (!ended)
        fmt::print(stderr, "{}: {}\n", name(), ended.error().text);
    else
        fmt::print(stderr, "{}: {}: {}\n", name(), board, *ended);
    return ended ? EXIT_SUCCESS : EXIT_FAILURE;
}

}  // namespace smmu::board

// SPDX-License-Identifier: Apache-2.0
#include "stage.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <thread>

namespace demo {
namespace {

using Clock = std::chrono::steady_clock;
constexpr Patience start_patience{20'000};
constexpr Patience answer_patience{10'000};

}  // namespace

std::string hex(std::uint64_t value) {
    return fmt::format("{:#x}", value);
}

Result<void> claim(bool holds, const std::string& what) {
    if (!holds) return fail(EIO, "this does not hold: " + what);
    fmt::print("   ok  {}\n", what);
    return {};
}

Stage::Stage(std::string programs, std::string directory, std::string board_name)
    : programs_(std::move(programs)),
      directory_(std::move(directory)),
      board_name_(std::move(board_name)) {
    setenv("SMMUMAN_SOCKET", (directory_ + "/smmuman.sock").c_str(), 1);
    setenv("SMMU_BOARD_DIR", directory_.c_str(), 1);
    setenv("SMMU_BOARD", board_name_.c_str(), 1);
}

Stage::~Stage() {
    for (const auto& window : windows_) munmap(window.bytes.data(), window.bytes.size());
    machine_close(machine_);
}

Result<void> Stage::start_board() {
    board = std::make_unique<Program>(
        std::vector<std::string>{program("smmu-board"), "--lifetime-fd", "0", board_name_},
        log("board"));
    if (board->wait_line({"ready "}, start_patience).empty()) {
        return fail(ENXIO, "the board did not start: " + read_file(board->log()));
    }
    SMMU_TRY(client_, smmu::link::Client::connect(smmu::link::socket_path(board_name_)));
    machine_log_path_ = client_->machine().log_path;
    SMMU_TRY(ram_, client_->ram());
    for (const auto& range : client_->machine().ram) {
        void* bytes = mmap(nullptr, range.length, PROT_READ | PROT_WRITE, MAP_SHARED, ram_.get(),
                           static_cast<off_t>(range.offset));
        if (bytes == MAP_FAILED) return fail(errno, "the board's memory cannot be mapped");
        windows_.push_back({range.base.value, {static_cast<unsigned char*>(bytes), range.length}});
    }
    machine_ = machine_open();
    if (machine_ == nullptr) return fail(errno, "the board does not let a second client in");
    for (unsigned dev = 0; dev < 32; ++dev) {
        if (machine_find(machine_, 0, dev, 0, &edu_) == 0 && machine_is_edu(machine_, &edu_)) {
            device_name_ = fmt::format("0000:00:{:02x}.0", dev);
            device_place_ = fmt::format("0:{:x}.0", dev);
            return {};
        }
    }
    return fail(ENODEV, "this board has no edu device on bus 0");
}

Result<Patience> Stage::start_service() {
    const auto begin = Clock::now();
    service = std::make_unique<Program>(
        std::vector<std::string>{program("smmuman"), "smmu", unit().word, "platform", "board",
                                 board_name_, "socket", std::getenv("SMMUMAN_SOCKET"),
                                 "foreground"},
        log(fmt::format("smmuman-{}", ++runs_)));
    const std::string line = service->wait_line({"contained ", " units"}, start_patience);
    const auto took = std::chrono::duration_cast<Patience>(Clock::now() - begin);
    unsigned contained = 0, all = 0;
    const char* words = std::strstr(line.c_str(), "contained ");
    if (words == nullptr || std::sscanf(words, "contained %u of %u units", &contained, &all) != 2) {
        return fail(EIO, "smmuman did not report that it contains anything");
    }
    SMMU_CHECK(claim(all > 0 && contained == all, std::string("smmuman: ") + words));
    return took;
}

Result<std::uint64_t> Stage::start_driver() {
    driver =
        std::make_unique<Program>(std::vector<std::string>{program("edu_driver"), device_place_},
                                  log(fmt::format("edu_driver-{}", ++runs_)));
    const std::string line = driver->wait_line({"buffer"}, answer_patience);
    unsigned long long buffer = 0;
    if (std::sscanf(line.c_str(), "ok buffer %llx", &buffer) != 1)
        return fail(EIO, "edu_driver did not start");
    return buffer;
}

Result<void> Stage::start_monitor() {
    monitor =
        std::make_unique<Program>(std::vector<std::string>{program("monitor")}, log("monitor"));
    if (monitor->wait_line({"connected"}, answer_patience).empty())
        return fail(EIO, "the monitor did not connect");
    return {};
}

Result<void> Stage::order(const std::string& words) {
    driver->tell(words);
    const std::string answer = driver->wait_line({}, answer_patience);
    if (!answer.starts_with("ok")) {
        return fail(EIO, fmt::format("edu_driver, told to {}: {}", words,
                                     answer.empty() ? "no answer" : answer));
    }
    return {};
}

Result<void> Stage::reported(std::uint64_t address, std::initializer_list<std::string> words) {
    const auto deadline = Clock::now() + answer_patience;
    std::string line;
    do {
        line = monitor->wait_line({"refused", device_name_, " write ", hex(address) + " "},
                                  std::chrono::duration_cast<Patience>(deadline - Clock::now()));
    } while (!line.empty() &&
             !std::all_of(words.begin(), words.end(), [&](const std::string& word) {
                 return line.find(word) != std::string::npos;
             }));
    if (line.empty()) {
        return fail(EIO, fmt::format("the monitor did not report the refused write to {} as {}",
                                     hex(address), fmt::join(words, ", ")));
    }
    return claim(true, "monitor: " + line);
}

Result<std::string> Stage::run(const std::string& name, std::vector<std::string> words) {
    words.insert(words.begin(), program(name));
    Program once(words, log(fmt::format("{}-{}", name, ++runs_)));
    const int status = once.wait_end(answer_patience);
    std::string text = read_file(once.log());
    while (text.ends_with('\n')) text.pop_back();
    if (status != 0)
        return fail(EIO, fmt::format("{} ended with status {}: {}", name, status, text));
    return text;
}

Result<void> Stage::device_shown(const std::string& word) {
    const auto deadline = Clock::now() + answer_patience;
    for (;;) {
        SMMU_TRY(const std::string text, run("smmuctl", {"devices"}));
        const auto at = text.find(device_name_);
        if (at != std::string::npos) {
            const std::string line = text.substr(at, text.find('\n', at) - at);
            if (line.find(word) != std::string::npos)
                return claim(true, "smmuctl devices: " + line);
        }
        if (Clock::now() > deadline) {
            return fail(EIO,
                        fmt::format("smmuctl devices does not show {} as {}", device_name_, word));
        }
    }
}

std::span<unsigned char> Stage::memory(std::uint64_t physical, std::size_t length) {
    for (const auto& window : windows_) {
        if (physical >= window.physical &&
            physical + length <= window.physical + window.bytes.size()) {
            return window.bytes.subspan(physical - window.physical, length);
        }
    }
    return {};
}

bool Stage::all(std::uint64_t physical, std::size_t length, unsigned char value) {
    const auto bytes = memory(physical, length);
    return bytes.size() == length &&
           std::ranges::all_of(bytes, [&](unsigned char byte) { return byte == value; });
}

}  // namespace demo

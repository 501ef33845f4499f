// SPDX-License-Identifier: Apache-2.0
#include "stage.hpp"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>

namespace demo {
namespace {

using Clock = std::chrono::steady_clock;
constexpr Patience start_patience{20'000};
constexpr Patience answer_patience{10'000};

constexpr std::string_view model_prefix = "model-";

std::string folder_of_boards() {
    const char* folder = std::getenv("SMMU_BOARDS");
    return folder != nullptr ? folder : ".";
}

// "model-WHAT" names the description WHAT.
std::string described(const std::string& name) {
    return name.starts_with(model_prefix) ? name.substr(model_prefix.size()) : name;
}

}  // namespace

std::string hex(std::uint64_t value) {
    return fmt::format("{:#x}", value);
}

Result<void> claim(bool holds, const std::string& what) {
    if (!holds) return fail(EIO, "this does not hold: " + what);
    fmt::print("   ok  {}\n", what);
    return {};
}

std::string device_name(const machine_device& device) {
    if (!device.is_pci) return "mem:" + hex(device.registers);
    return fmt::format("0000:{:02x}:{:02x}.{:x}", device.bus, device.dev, device.func);
}

Stage::Stage(std::string programs, std::string directory, std::string name, const UnitKind& unit)
    : programs_(std::move(programs)),
      directory_(std::move(directory)),
      name_(std::move(name)),
      board_name_(described(name_)),
      unit_(unit) {
    setenv("SMMUMAN_SOCKET", (directory_ + "/smmuman.sock").c_str(), 1);
    setenv("SMMU_BOARD_DIR", directory_.c_str(), 1);
    setenv("SMMU_BOARD", board_name_.c_str(), 1);
}

Stage::~Stage() {
    for (const auto& window : windows_) munmap(window.bytes.data(), window.bytes.size());
    machine_close(machine_);
}

// A model has a program of its own, named by the first word: "model-rcar-h3" is of smmu-model-rcar.
std::vector<std::string> Stage::board_words() const {
    if (!is_model()) return {program("smmu-board"), "--lifetime-fd", "0", name_};
    const std::string model = board_name_.substr(0, board_name_.find('-'));
    return {program("smmu-model-" + model), "--lifetime-fd", "0",
            fmt::format("{}/{}.json", folder_of_boards(), board_name_)};
}

Result<void> Stage::start_board() {
    board = std::make_unique<Program>(board_words(), log("board"));
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
    if (machine_find(machine_, unit_.engine, &engine_) != 0 || !is_dma_engine(machine_, &engine_))
        return fail(ENODEV, fmt::format("this board has no DMA engine at {}", unit_.engine));
    device_name_ = demo::device_name(engine_);
    return {};
}

std::vector<std::string> Stage::service_words() const {
    std::vector<std::string> words{program("smmuman")};
    for (std::string_view rest = unit_.words; !rest.empty();) {
        std::string_view word = rest.substr(0, rest.find(' '));
        rest.remove_prefix(std::min(rest.size(), word.size() + 1));
        const bool is_file = word.starts_with('@');
        if (is_file) word.remove_prefix(1);
        words.push_back(is_file ? fmt::format("@{}/{}", folder_of_boards(), word) : std::string(word));
    }
    words.insert(words.end(), {"platform", "board", board_name_, "socket", std::getenv("SMMUMAN_SOCKET"), "foreground"});
    return words;
}

Result<Patience> Stage::start_service() {
    const auto begin = Clock::now();
    service = std::make_unique<Program>(service_words(), log(fmt::format("smmuman-{}", ++runs_)));
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
        std::make_unique<Program>(std::vector<std::string>{program("edu_driver"), unit_.engine},
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
    std::vector<std::string> all{device_name_, write_word(), hex(address) + " "};
    all.insert(all.end(), words);
    return reported(std::move(all));
}

Result<void> Stage::reported_while_blocked(std::uint64_t address) {
    return reported({unit_.tells_blocked ? device_name_ : "unknown device", write_word(),
                     hex(address) + " ", "owner nobody", "cause not-attached"});
}

Result<void> Stage::reported(std::vector<std::string> words) {
    words.insert(words.begin(), "refused");
    const std::string line = monitor->wait_line(words, answer_patience);
    if (line.empty())
        return fail(EIO, fmt::format("the monitor did not report: {}", fmt::join(words, ", ")));
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

// SPDX-License-Identifier: Apache-2.0
#include "board/qemu_machine.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <fstream>

#include "link/wire.hpp"

namespace smmu::board {
namespace {

constexpr int end_patience_ms = 1000;  // from the end of QEMU's connection to the end of QEMU

// RAM is a file of ours, so that clients can map it whatever becomes of QEMU.
Result<UniqueFd> create_ram(std::uint64_t bytes) {
    UniqueFd ram(memfd_create("smmu-board-ram", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!ram || ftruncate(ram.get(), static_cast<off_t>(bytes)) != 0 ||
        fcntl(ram.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return fail(errno,
                    fmt::format("making {} bytes of board RAM: {}", bytes, std::strerror(errno)));
    return ram;
}

// `sleep=off` lets the machine's time jump to the next timer while its processor is halted; `shift`
// makes the firmware's busy waits short.
std::vector<std::string> command_line(const Description& board,
                                      const std::vector<std::string>& kind, int ram, int qtest,
                                      const std::string& monitor) {
    std::vector<std::string> line = {
        board.qemu,
        "-nodefaults",
        "-no-user-config",
        "-no-reboot",
        "-display",
        "none",
        "-accel",
        "tcg",
        "-icount",
        "shift=7,sleep=off",
        "-m",
        fmt::format("{}M", board.memory_mib),
        "-object",
        fmt::format("memory-backend-file,id=ram0,size={}M,mem-path=/proc/self/fd/{},share=on",
                    board.memory_mib, ram),
        "-chardev",
        fmt::format("socket,id=qtest0,fd={}", qtest),
        "-qtest",
        "chardev:qtest0",
        "-qtest-log",
        "/dev/null",
        "-qmp",
        fmt::format("unix:{},server=on,wait=off", monitor),
    };
    line.insert(line.end(), kind.begin(), kind.end());
    for (const std::string& device : board.devices) {
        line.emplace_back("-device");
        line.push_back(device);
    }
    line.insert(line.end(), board.arguments.begin(), board.arguments.end());
    return line;
}

std::string last_line(const std::string& path) {
    std::ifstream file(path);
    std::string last = "it says nothing";
    for (std::string line; std::getline(file, line);) last = line;
    return last;
}

// What the log says of a start that failed.
Error explained(Error error, const QemuProcess& process, const std::string& log) {
    pollfd ended{process.ended(), POLLIN, 0};
    if (error.code == ECONNRESET && poll(&ended, 1, end_patience_ms) > 0)
        return {EIO, fmt::format("QEMU ended while it started: {} ({})", last_line(log), log)};
    return {error.code, fmt::format("{}; see {}", error.text, log)};
}

// A view of a file for as long as it lives.
class View {
public:
    View(int fd, std::size_t bytes)
        : start_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)), length_(bytes) {}
    View(const View&) = delete;
    View& operator=(const View&) = delete;
    ~View() {
        if (*this) munmap(start_, length_);
    }
    explicit operator bool() const { return start_ != MAP_FAILED; }
    std::span<std::byte> bytes() const { return {static_cast<std::byte*>(start_), length_}; }

private:
    void* start_;
    std::size_t length_;
};

}  // namespace

Result<std::unique_ptr<QemuMachine>> QemuMachine::start(const Description& board,
                                                        const std::string& run_directory) {
    const std::string monitor = run_directory + "/qmp.sock";
    const std::string log_path = board.log.empty() ? run_directory + "/qemu.log" : board.log;
    if (log_path.size() >= link::max_log_path_bytes)
        return fail(ENAMETOOLONG, fmt::format("the log's path {} is too long", log_path));
    const std::unique_ptr<Boot> boot = boot_of(board);
    SMMU_TRY(const std::vector<std::string> kind, boot->arguments(board, run_directory));
    const UniqueFd log(
        open(log_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644));
    if (!log) return fail(errno, fmt::format("the log {}: {}", log_path, std::strerror(errno)));
    const std::uint64_t ram_bytes = board.memory_mib << 20;
    SMMU_TRY(UniqueFd ram, create_ram(ram_bytes));
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return fail(errno, fmt::format("a socket for QEMU: {}", std::strerror(errno)));
    UniqueFd ours(ends[0]);
    UniqueFd theirs(ends[1]);
    const std::array inherited = {ram.get(), theirs.get()};
    SMMU_TRY(QemuProcess process,
             QemuProcess::start(command_line(board, kind, ram.get(), theirs.get(), monitor), log,
                                inherited));
    theirs.reset();  // so that the connection ends with QEMU

    std::unique_ptr<QemuMachine> machine(
        new QemuMachine(std::move(process), std::move(ours), std::move(ram)));
    machine->monitor_path_ = monitor;
    link::MachineDescription& description = machine->description_;
    description.name = board.name;
    description.log_path = log_path;
    description.ram = {{boot->ram_base(), ram_bytes, 0}};
    if (getrandom(description.boot_identity.data(), description.boot_identity.size(), 0) !=
        static_cast<ssize_t>(description.boot_identity.size()))
        return fail(errno, "no random bytes for a boot identity");
    SMMU_CHECK(machine->finish(*boot, board));
    return machine;
}

Result<void> QemuMachine::finish(const Boot& boot, const Description& board) {
    const View view(ram_.get(), description_.ram.front().length);
    if (!view) return fail(errno, fmt::format("mapping the board's RAM: {}", std::strerror(errno)));
    auto tables = boot.finish({process_, *this, view.bytes()});
    if (!tables)
        return std::unexpected(
            explained(std::move(tables).error(), process_, description_.log_path));
    tables_ = *std::move(tables);
    for (const auto& [name, bytes] : board.replaced_tables) {
        std::erase_if(tables_,
                      [&](const link::FirmwareTable& table) { return table.name == name; });
        if (!bytes.empty()) tables_.push_back({name, 0, bytes});
    }
    return {};
}

}  // namespace smmu::board

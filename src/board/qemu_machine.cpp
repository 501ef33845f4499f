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

#include "base/byte_reader.hpp"
#include "board/acpi_tables.hpp"
#include "link/wire.hpp"

namespace smmu::board {
namespace {

constexpr Nanoseconds start_patience = std::chrono::seconds(20);
constexpr int mark_poll_ms = 2;

// Where the option ROM leaves its mark: the bytes that the BIOS data area sets aside for programs
// to talk to each other; the firmware does not use them.
constexpr std::size_t mark_address = 0x4f0;
constexpr std::uint32_t mark = 0x554d534d;

constexpr std::size_t rom_bytes = 512;
constexpr std::array<std::uint8_t, 24> rom_code = {
    0x55, 0xaa, 0x01,                    // signature; length in blocks of 512 bytes
    0xfa,                                // cli
    0x31, 0xc0,                          // xor ax, ax
    0x8e, 0xd8,                          // mov ds, ax
    0xc7, 0x06, 0xf0, 0x04, 0x4d, 0x53,  // mov word [0x4f0], 0x534d
    0xc7, 0x06, 0xf2, 0x04, 0x4d, 0x55,  // mov word [0x4f2], 0x554d
    0xf4,                                // hlt
    0xeb, 0xfd,                          // jmp to hlt
    0x00,
};

Result<void> write_option_rom(const std::string& path) {
    std::array<char, rom_bytes> rom{};
    std::memcpy(rom.data(), rom_code.data(), rom_code.size());
    unsigned sum = 0;
    for (const std::uint8_t byte : rom_code) sum += byte;
    rom.back() = static_cast<char>(256 - sum % 256);  // all bytes of a ROM sum to zero
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    file.write(rom.data(), rom.size());
    file.close();
    if (!file) return fail(EIO, fmt::format("{}: cannot be written", path));
    return {};
}

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
// makes the firmware's busy waits short; without `pit=off` an idle machine keeps a core busy.
std::vector<std::string> command_line(const Description& board, int ram, int qtest,
                                      const std::string& rom, const std::string& monitor) {
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
        "-machine",
        "q35,pit=off,memory-backend=ram0",
        "-m",
        fmt::format("{}M", board.memory_mib),
        "-object",
        fmt::format("memory-backend-file,id=ram0,size={}M,mem-path=/proc/self/fd/{},share=on",
                    board.memory_mib, ram),
        "-option-rom",
        rom,
        "-chardev",
        fmt::format("socket,id=qtest0,fd={}", qtest),
        "-qtest",
        "chardev:qtest0",
        "-qtest-log",
        "/dev/null",
        "-qmp",
        fmt::format("unix:{},server=on,wait=off", monitor),
    };
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

// A read-only view of a file for as long as it lives.
class View {
public:
    View(int fd, std::size_t bytes)
        : start_(mmap(nullptr, bytes, PROT_READ, MAP_SHARED, fd, 0)), length_(bytes) {}
    View(const View&) = delete;
    View& operator=(const View&) = delete;
    ~View() {
        if (*this) munmap(start_, length_);
    }
    explicit operator bool() const { return start_ != MAP_FAILED; }
    std::span<const std::byte> bytes() const { return {static_cast<std::byte*>(start_), length_}; }

private:
    void* start_;
    std::size_t length_;
};

}  // namespace

Result<std::unique_ptr<QemuMachine>> QemuMachine::start(const Description& board,
                                                        const std::string& run_directory) {
    const std::string rom = run_directory + "/halt.rom";
    const std::string monitor = run_directory + "/qmp.sock";
    const std::string log_path = board.log.empty() ? run_directory + "/qemu.log" : board.log;
    if (log_path.size() >= link::max_log_path_bytes)
        return fail(ENAMETOOLONG, fmt::format("the log's path {} is too long", log_path));
    SMMU_CHECK(write_option_rom(rom));
    const UniqueFd log(
        open(log_path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644));
    if (!log) return fail(errno, fmt::format("the log {}: {}", log_path, std::strerror(errno)));
    const std::uint64_t ram_bytes = board.memory_mib << 20;
    SMMU_TRY(UniqueFd ram, create_ram(ram_bytes));
    std::array<int, 2> ends{};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return fail(errno, fmt::format("a socket for QEMU: {}", std::strerror(errno)));
    UniqueFd ours(ends[0]);
    const UniqueFd theirs(ends[1]);
    const std::array inherited = {ram.get(), theirs.get()};
    SMMU_TRY(QemuProcess process,
             QemuProcess::start(command_line(board, ram.get(), theirs.get(), rom, monitor), log,
                                inherited));

    std::unique_ptr<QemuMachine> machine(
        new QemuMachine(std::move(process), std::move(ours), std::move(ram)));
    machine->monitor_path_ = monitor;
    link::MachineDescription& description = machine->description_;
    description.name = board.name;
    description.log_path = log_path;
    description.ram = {{{0}, ram_bytes, 0}};
    if (getrandom(description.boot_identity.data(), description.boot_identity.size(), 0) !=
        static_cast<ssize_t>(description.boot_identity.size()))
        return fail(errno, "no random bytes for a boot identity");
    SMMU_CHECK(machine->read_tables(board));
    return machine;
}

Result<void> QemuMachine::wait_until_halted(std::span<const std::byte> ram) const {
    const Instant deadline = std::chrono::steady_clock::now() + start_patience;
    const ByteReader reader(ram);
    while (reader.at<std::uint32_t>(mark_address) != mark) {
        pollfd ended{process_.ended(), POLLIN, 0};
        if (poll(&ended, 1, mark_poll_ms) > 0)
            return fail(EIO, fmt::format("QEMU ended while it started: {} ({})",
                                         last_line(description_.log_path), description_.log_path));
        if (std::chrono::steady_clock::now() > deadline)
            return fail(
                ETIMEDOUT,
                fmt::format("the firmware did not reach our option ROM in {} s; see {}",
                            start_patience / std::chrono::seconds(1), description_.log_path));
    }
    return {};
}

Result<void> QemuMachine::read_tables(const Description& board) {
    const View view(ram_.get(), description_.ram.front().length);
    if (!view) return fail(errno, fmt::format("mapping the board's RAM: {}", std::strerror(errno)));
    SMMU_CHECK(wait_until_halted(view.bytes()));
    SMMU_TRY(tables_, read_acpi_tables(view.bytes()));
    for (const auto& [name, bytes] : board.replaced_tables) {
        std::erase_if(tables_,
                      [&](const link::FirmwareTable& table) { return table.name == name; });
        if (!bytes.empty()) tables_.push_back({name, 0, bytes});
    }
    return {};
}

}  // namespace smmu::board

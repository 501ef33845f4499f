// SPDX-License-Identifier: Apache-2.0
// What a test against an emulated board needs: the board as a process that cannot outlive the test,
// a device that does DMA on command, and the board's RAM.
//
//   auto board = test::BoardProcess::start("q35-vtd");
//   ASSERT_TRUE(board) << board.error().text;
//   auto client = (*board)->connect();
//   auto ram = test::Ram::map(**client);
//   test::Edu edu(**client, test::q35::edu_a);
//   edu.bus_master(true);
//   ram->store<std::uint64_t>({0x200000}, 42);
//   EXPECT_TRUE(edu.dma_in({0x200000}, 8) && edu.dma_out({0x300000}, 8));
#pragma once

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/address.hpp"
#include "base/assert.hpp"
#include "base/clock.hpp"
#include "base/ids.hpp"
#include "base/range.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "link/client.hpp"

namespace smmu::test {

// A PCI function as the board's firmware numbered it.
struct Function {
    std::uint8_t bus;
    std::uint8_t device;
    std::uint8_t function = 0;

    constexpr std::uint8_t devfn() const {
        return static_cast<std::uint8_t>(device << 3 | function);
    }
    constexpr StreamId stream() const { return StreamId(std::uint32_t{bus} << 8 | devfn()); }
};

// Where things are on the q35-vtd boards.
namespace q35 {
inline constexpr Function host_bridge{0, 0};
inline constexpr Function edu_a{0, 3};
inline constexpr Function edu_b{0, 4};
inline constexpr Function root_port{0, 5};
inline constexpr Function edu_behind_port{1, 0};
inline constexpr Function pci_bridge{0, 6};
// The two share one group: the unit sees both as bridge_alias.
inline constexpr Function edu_behind_bridge_a{2, 1};
inline constexpr Function edu_behind_bridge_b{2, 2};
inline constexpr Function bridge_alias{2, 0};
inline constexpr Function nvme{0, 7};

inline constexpr PhysRange vtd_registers{{0xfed90000}, {0xfed90fff}};
inline constexpr PhysAddr ecam{0xb0000000};  // buses 0 to 255
inline constexpr std::uint64_t ram_bytes = 256u << 20;
}  // namespace q35

// Where things are on the virt-smmuv3 boards; functions are where they are on the q35-vtd boards.
namespace virt {
inline constexpr PhysRange smmu_registers{{0x0905'0000}, {0x0906'ffff}};  // both pages
inline constexpr PhysAddr ecam{0x40'1000'0000};                           // buses 0 to 255
inline constexpr PhysRange device_registers{{0x1000'0000}, {0x3efe'ffff}};
inline constexpr PhysAddr ram{0x4000'0000};
inline constexpr std::uint64_t ram_bytes = 256u << 20;
}  // namespace virt

// Configuration space of bus 0; where RAM begins tells the kinds of boards apart.
inline PhysAddr ecam_of(const link::Client& client) {
    const auto& ram = client.machine().ram;
    return !ram.empty() && ram.front().base == virt::ram ? virt::ecam : q35::ecam;
}
inline PhysAddr config_space(const link::Client& client, Function function) {
    return ecam_of(client) + (std::uint64_t{raw(function.stream())} << 12);
}

// smmu-board running one board in a directory of its own. It ends with this object, and with the
// test's process however that ends.
class BoardProcess {
public:
    static constexpr Nanoseconds start_patience =
        std::chrono::seconds(60);  // sanitizers, loaded machines
    static constexpr Nanoseconds end_patience = std::chrono::seconds(10);

    // `arguments` are further options of smmu-board, such as "--replace-table=DMAR=hex:". `program`
    // may be another that is a board.
    static Result<std::unique_ptr<BoardProcess>> start(
        const std::string& name, const std::vector<std::string>& arguments = {},
        const std::string& program = "smmu-board");
    BoardProcess(const BoardProcess&) = delete;
    BoardProcess& operator=(const BoardProcess&) = delete;
    ~BoardProcess() {
        lifetime_.reset();
        if (!wait_for_end(end_patience) && pid_ > 0) {
            kill(pid_, SIGKILL);
            waitpid(pid_, nullptr, 0);
        }
        std::error_code ignored;
        std::filesystem::remove_all(directory_, ignored);
    }

    const std::string& directory() const { return directory_; }
    std::string socket() const { return directory_ + "/board.sock"; }
    std::string log() const { return directory_ + "/qemu.log"; }      // QEMU's own refusal lines
    std::string errors() const { return directory_ + "/board.err"; }  // what smmu-board said
    pid_t pid() const { return pid_; }
    pid_t qemu_pid() const { return qemu_pid_; }
    const std::string& ready_line() const { return ready_line_; }

    Result<std::unique_ptr<link::Client>> connect(
        Nanoseconds patience = link::Client::usual_patience) const {
        return link::Client::connect(socket(), patience);
    }

    void close_lifetime() { lifetime_.reset(); }
    // The exit status once it has ended (128 + the signal that killed it); nothing when it runs on.
    std::optional<int> wait_for_end(Nanoseconds patience) {
        const Instant deadline = std::chrono::steady_clock::now() + patience;
        while (pid_ > 0) {
            int status = 0;
            if (waitpid(pid_, &status, WNOHANG) == pid_) {
                pid_ = 0;
                exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            } else if (std::chrono::steady_clock::now() > deadline) {
                return std::nullopt;
            } else {
                usleep(1000);
            }
        }
        return exit_status_;
    }

private:
    BoardProcess() = default;
    Result<void> launch(const std::string& name, const std::vector<std::string>& arguments,
                        const std::string& program);
    Result<void> wait_until_ready(const UniqueFd& output);

    std::string directory_;
    UniqueFd lifetime_;
    pid_t pid_ = 0;
    pid_t qemu_pid_ = 0;
    std::string ready_line_;
    std::optional<int> exit_status_;
};

inline std::string contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// User and system time of a process in clock ticks.
inline unsigned long ticks_of(pid_t pid) {
    const std::string stat = contents(fmt::format("/proc/{}/stat", pid));
    unsigned long user = 0;
    unsigned long system = 0;
    std::sscanf(stat.c_str() + stat.rfind(')') + 1,
                " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    return user + system;
}

inline Result<std::unique_ptr<BoardProcess>> BoardProcess::start(
    const std::string& name, const std::vector<std::string>& arguments,
    const std::string& program) {
    std::unique_ptr<BoardProcess> board(new BoardProcess);
    SMMU_CHECK(board->launch(name, arguments, program));
    return board;
}

inline Result<void> BoardProcess::launch(const std::string& name,
                                         const std::vector<std::string>& arguments,
                                         const std::string& program) {
    std::string directory = std::filesystem::temp_directory_path() / "smmu-board-XXXXXX";
    if (mkdtemp(directory.data()) == nullptr) return fail(errno, "no temporary directory");
    directory_ = directory;
    std::array<int, 2> lifetime{};
    std::array<int, 2> output{};
    if (pipe2(lifetime.data(), O_CLOEXEC) != 0) return fail(errno, "no pipe");
    const UniqueFd lifetime_end(lifetime[0]);
    lifetime_.reset(lifetime[1]);
    if (pipe2(output.data(), O_CLOEXEC) != 0) return fail(errno, "no pipe");
    const UniqueFd output_end(output[0]);
    UniqueFd board_output(output[1]);
    const UniqueFd board_errors(open(errors().c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));

    const std::string boards = SMMU_SOURCE_DIR "/boards/qemu";
    const bool is_file = name.find('/') != std::string::npos;
    std::vector<std::string> line = {SMMU_BINARY_DIR "/bin/" + program, "--socket=" + socket(),
                                     "--run-dir=" + directory_,
                                     fmt::format("--lifetime-fd={}", lifetime_end.get())};
    line.insert(line.end(), arguments.begin(), arguments.end());
    line.push_back(is_file ? name : fmt::format("{}/{}.json", boards, name));
    std::vector<char*> pointers;
    for (std::string& argument : line) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    pid_ = fork();
    if (pid_ < 0) return fail(errno, "no process for the board");
    if (pid_ == 0) {
        fcntl(lifetime_end.get(), F_SETFD, 0);
        dup2(board_output.get(), STDOUT_FILENO);
        dup2(board_errors.get(), STDERR_FILENO);
        execv(pointers[0], pointers.data());
        _exit(127);
    }
    board_output.reset();
    return wait_until_ready(output_end);
}

inline Result<void> BoardProcess::wait_until_ready(const UniqueFd& output) {
    constexpr std::size_t max_ready_bytes = 8192;
    const Instant deadline = std::chrono::steady_clock::now() + start_patience;
    while (ready_line_.find('\n') == std::string::npos && ready_line_.size() < max_ready_bytes) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            std::max(deadline - std::chrono::steady_clock::now(), Nanoseconds{0}));
        pollfd polled{output.get(), POLLIN, 0};
        if (poll(&polled, 1, static_cast<int>(left.count())) <= 0)
            return fail(ETIMEDOUT, "the board is not ready in time: " + contents(errors()));
        std::array<char, 512> part;
        const ssize_t got = read(output.get(), part.data(), part.size());
        if (got <= 0) return fail(EIO, "the board did not start: " + contents(errors()));
        ready_line_.append(part.data(), static_cast<std::size_t>(got));
    }
    constexpr std::string_view key = " qemu=";
    const std::size_t at = ready_line_.find(key);
    if (!ready_line_.starts_with("ready ") || at == std::string::npos)
        return fail(EPROTO, "the board says: " + ready_line_);
    qemu_pid_ = std::atoi(ready_line_.c_str() + at + key.size());
    return {};
}

// The board's RAM, as devices and the unit's walker see it.
class Ram {
public:
    // Only for boards whose RAM is one range.
    static Result<Ram> map(link::Client& client) {
        SMMU_TRY(const UniqueFd file, client.ram());
        const auto& ranges = client.machine().ram;
        if (ranges.size() != 1) return fail(ENOTSUP, "the board's RAM is not one range");
        Ram ram;
        ram.base_ = ranges.front().base;
        ram.length_ = ranges.front().length;
        void* const start =
            mmap(nullptr, ram.length_, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
        if (start == MAP_FAILED) return fail(errno, "the board's RAM cannot be mapped");
        ram.start_ = static_cast<std::byte*>(start);
        return ram;
    }
    Ram(Ram&& other) noexcept
        : start_(std::exchange(other.start_, nullptr)),
          base_(other.base_),
          length_(other.length_) {}
    Ram& operator=(Ram&&) = delete;
    ~Ram() {
        if (start_ != nullptr) munmap(start_, length_);
    }

    std::span<std::byte> at(PhysAddr address, std::uint64_t bytes) const {
        SMMU_ASSERT(address >= base_ && address - base_ <= length_ &&
                    bytes <= length_ - (address - base_));
        return {start_ + (address - base_), bytes};
    }
    template <class T>
    T load(PhysAddr address) const {
        T value;
        std::memcpy(&value, at(address, sizeof(T)).data(), sizeof(T));
        return value;
    }
    template <class T>
    void store(PhysAddr address, T value) const {
        std::memcpy(at(address, sizeof(T)).data(), &value, sizeof(T));
    }
    void fill(PhysAddr address, std::uint64_t bytes, std::uint8_t value) const {
        std::memset(at(address, bytes).data(), value, bytes);
    }

private:
    Ram() = default;
    std::byte* start_ = nullptr;
    PhysAddr base_{};
    std::uint64_t length_ = 0;
};

// QEMU's edu device: 4 KiB of memory of its own and a DMA engine. It never reports a refused
// access: a refused read fills its memory with zeros (in part, perhaps), a refused write leaves RAM
// as it was. Several objects, also over different clients, may stand for one device, but not at the
// same time.
class Edu {
public:
    static constexpr std::uint64_t memory_bytes = 4096;
    static constexpr std::uint32_t identity = 0x11e81234;

    Edu(link::Client& client, Function function) : client_(client), function_(function) {
        bar_ = {config_read(0x10) & ~std::uint32_t{15}};
    }

    bool present() const { return config_read(0) == identity; }
    Function function() const { return function_; }
    StreamId stream() const {
        return function_.stream();
    }  // behind a bridge the unit sees its alias
    PhysRange registers() const { return {bar_, bar_ + 0xfffff}; }

    // Off: what the device sends is dropped before it reaches the unit, without a refusal.
    void bus_master(bool on) {
        constexpr std::uint32_t memory_space = 2;
        constexpr std::uint32_t master = 4;
        config_write16(4, static_cast<std::uint16_t>(memory_space | (on ? master : 0)));
    }

    // Moves bytes from RAM into the device's memory, and back. False: the engine did not come to
    // rest, or the board is gone. True says nothing about the access having been allowed.
    bool dma_in(Iova source, std::uint64_t bytes, std::uint64_t offset = 0) {
        SMMU_ASSERT(bytes != 0 && offset < memory_bytes && bytes <= memory_bytes - offset);
        return dma(source.value, memory_address + offset, bytes, 1);
    }
    bool dma_out(Iova destination, std::uint64_t bytes, std::uint64_t offset = 0) {
        SMMU_ASSERT(bytes != 0 && offset < memory_bytes && bytes <= memory_bytes - offset);
        return dma(memory_address + offset, destination.value, bytes, 3);
    }

    // The device's interrupt message from now on: four bytes, written at `address`.
    void set_message(Iova address, std::uint32_t data) {
        constexpr std::uint16_t capability = 0x40, enabled = 1;
        const PhysAddr at = config_space(client_, function_) + capability;
        client_.write(at + 4, 4, address.value & 0xffffffff);
        client_.write(at + 8, 4, address.value >> 32);
        client_.write(at + 12, 4, data);
        config_write16(capability + 2, enabled);
    }
    // Sends the device's interrupt message, if there is one; a DMA write like any other.
    void raise_interrupt(std::uint32_t bits) { client_.write(bar_ + 0x60, 4, bits); }

    std::uint32_t config_read(std::uint16_t offset) const {
        return static_cast<std::uint32_t>(
            client_.read(config_space(client_, function_) + offset, 4));
    }
    void config_write16(std::uint16_t offset, std::uint16_t value) {
        client_.write(config_space(client_, function_) + offset, 2, value);
    }

private:
    static constexpr std::uint64_t memory_address = 0x40000;  // in the engine's own view
    static constexpr Nanoseconds patience = std::chrono::seconds(5);

    bool dma(std::uint64_t source, std::uint64_t destination, std::uint64_t bytes,
             std::uint64_t command) {
        const std::array operations = {link::Operation::write(bar_ + 0x80, 8, source),
                                       link::Operation::write(bar_ + 0x88, 8, destination),
                                       link::Operation::write(bar_ + 0x90, 8, bytes),
                                       link::Operation::write(bar_ + 0x98, 8, command),
                                       link::Operation::read(bar_ + 0x98, 8)};
        const Instant deadline = std::chrono::steady_clock::now() + patience;
        std::uint64_t state = 0;
        bool is_alive = client_.perform(operations, {&state, 1});
        while (is_alive && (state & 1) != 0) {
            if (std::chrono::steady_clock::now() > deadline) return false;
            is_alive = client_.perform(std::span(operations).last(1), {&state, 1});
        }
        return is_alive;
    }

    link::Client& client_;
    Function function_;
    PhysAddr bar_{};
};

}  // namespace smmu::test

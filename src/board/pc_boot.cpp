// SPDX-License-Identifier: Apache-2.0
#include "board/pc_boot.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <array>
#include <cstring>
#include <fstream>

#include "base/byte_reader.hpp"
#include "base/clock.hpp"
#include "board/acpi_tables.hpp"

namespace smmu::board {
namespace {

constexpr Nanoseconds patience = std::chrono::seconds(20);
constexpr int mark_poll_ms = 2;

// Where the option ROM leaves its mark: the bytes that the BIOS data area sets aside for programs
// to talk to each other; the firmware does not use them.
constexpr std::size_t mark_address = 0x4f0;
constexpr std::uint32_t mark = 0x554d534d;

// Where a PC's firmware puts the root pointer (ACPI 5.2.5.1).
constexpr PhysRange root_area{{0xe0000}, {0xfffff}};

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

Result<void> wait_until_halted(const QemuProcess& process, std::span<const std::byte> ram) {
    const Instant deadline = std::chrono::steady_clock::now() + patience;
    const ByteReader reader(ram);
    while (reader.at<std::uint32_t>(mark_address) != mark) {
        pollfd ended{process.ended(), POLLIN, 0};
        if (poll(&ended, 1, mark_poll_ms) > 0)
            return fail(ECONNRESET, "QEMU ended before the firmware was done");
        if (std::chrono::steady_clock::now() > deadline)
            return fail(ETIMEDOUT, fmt::format("the firmware did not reach our option ROM in {} s",
                                               patience / std::chrono::seconds(1)));
    }
    return {};
}

}  // namespace

// Without `pit=off` an idle machine keeps a core busy.
Result<std::vector<std::string>> PcBoot::arguments(const Description& board,
                                                   const std::string& run_directory) const {
    const std::string rom = run_directory + "/halt.rom";
    SMMU_CHECK(write_option_rom(rom));
    const std::string type = board.type.empty() ? "q35,pit=off" : board.type;
    return std::vector<std::string>{"-machine", type + ",memory-backend=ram0", "-option-rom", rom};
}

Result<std::vector<link::FirmwareTable>> PcBoot::finish(const Started& started) const {
    SMMU_CHECK(wait_until_halted(started.process, started.ram));
    return read_acpi_tables(started.ram, ram_base(), root_area);
}

}  // namespace smmu::board

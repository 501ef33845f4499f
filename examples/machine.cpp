// SPDX-License-Identifier: Apache-2.0
// The machine of the examples, over the board protocol.
#include "machine.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "link/client.hpp"

namespace {

// The examples' share of the board's memory, from where that begins: above what firmware uses,
// below what the service takes for its tables. One lock for each piece keeps processes apart; locks
// end with the process that holds them.
constexpr std::uint64_t share_begin = 64u << 20;
constexpr std::uint64_t share_end = 128u << 20;
constexpr std::uint64_t piece = 1u << 20;

// Configuration space of bus 0. Where RAM begins tells an Arm board from a PC.
constexpr std::uint64_t arm_ram = 0x4000'0000;
constexpr std::uint64_t arm_config = 0x40'1000'0000;
constexpr std::uint64_t pc_config = 0xb000'0000;
constexpr std::uint32_t command_register = 4;
constexpr std::uint32_t memory_space = 1u << 1;
constexpr std::uint32_t bus_master = 1u << 2;
constexpr std::uint32_t first_window = 0x10;

}  // namespace

struct machine {
    struct Mapping {
        void* memory;
        std::uint64_t offset;
        std::uint64_t length;
    };
    // A lock does not conflict with another of the same process: that must be seen here.
    bool takes(std::uint64_t offset, std::uint64_t length) const {
        for (const auto& mapping : mappings) {
            if (offset < mapping.offset + mapping.length && mapping.offset < offset + length)
                return true;
        }
        return false;
    }

    std::unique_ptr<smmu::link::Client> board;
    smmu::UniqueFd ram;  // an open file of its own, so that its locks are this process's own
    std::vector<Mapping> mappings;
};

namespace {

std::uint64_t first_ram(const machine& machine) {
    const auto& ram = machine.board->machine().ram;
    return ram.empty() ? 0 : ram.front().base.value;
}

smmu::PhysAddr config_at(const machine& machine, const machine_device& device,
                         std::uint32_t offset) {
    const std::uint64_t config = first_ram(machine) == arm_ram ? arm_config : pc_config;
    return {config + (std::uint64_t{device.bus} << 20 | device.dev << 15 | device.func << 12) +
            offset};
}

std::uint32_t read_config(machine& machine, const machine_device& device, std::uint32_t offset) {
    return static_cast<std::uint32_t>(machine.board->read(config_at(machine, device, offset), 4));
}

void write_config16(machine& machine, const machine_device& device, std::uint32_t offset,
                    std::uint16_t value) {
    machine.board->write(config_at(machine, device, offset), 2, value);
}

std::uint64_t first_memory_window(machine& machine, const machine_device& function) {
    const std::uint32_t low = read_config(machine, function, first_window);
    const bool is_wide = (low & 6) == 4;
    const std::uint64_t high = is_wide ? read_config(machine, function, first_window + 4) : 0;
    return high << 32 | (low & ~0xfu);
}

// Where in configuration space the capability "MSI" is; 0: nowhere.
std::uint32_t message_capability(machine& machine, const machine_device& function) {
    constexpr std::uint32_t list = 0x34, message_signalled = 5;
    constexpr int most_capabilities = 48;
    std::uint32_t at = read_config(machine, function, list) & 0xfc;
    for (int i = 0; i < most_capabilities && at != 0; ++i) {
        const std::uint32_t capability = read_config(machine, function, at);
        if ((capability & 0xff) == message_signalled) return at;
        at = capability >> 8 & 0xfc;
    }
    return 0;
}

// What the text says, whether or not there is such a device.
std::optional<machine_device> device_at(const char* place) {
    machine_device device{};
    int end = 0;
    if (std::sscanf(place, "mem:%" SCNx64 "%n", &device.registers, &end) == 1 && place[end] == '\0')
        return device;
    device.is_pci = true;
    if (std::sscanf(place, "%x:%x.%x%n", &device.bus, &device.dev, &device.func, &end) == 3 &&
        place[end] == '\0' && device.bus < 256 && device.dev < 32 && device.func < 8)
        return device;
    return std::nullopt;
}

// Where physical address `address` lies in the RAM file; the whole of `length` must be one range.
bool offset_in_ram(const machine& machine, std::uint64_t address, std::uint64_t length,
                   std::uint64_t& offset) {
    for (const auto& range : machine.board->machine().ram) {
        if (address >= range.base.value && address + length <= range.base.value + range.length) {
            offset = range.offset + (address - range.base.value);
            return true;
        }
    }
    return false;
}

bool lock(int fd, std::uint64_t offset, std::uint64_t length) {
    struct flock wanted{};
    wanted.l_type = F_WRLCK;
    wanted.l_whence = SEEK_SET;
    wanted.l_start = static_cast<off_t>(offset);
    wanted.l_len = static_cast<off_t>(length);
    return fcntl(fd, F_OFD_SETLK, &wanted) == 0;
}

}  // namespace

machine* machine_open() {
    const char* name = std::getenv("SMMU_BOARD");
    auto board =
        smmu::link::Client::connect(smmu::link::socket_path(name != nullptr ? name : "q35-vtd"));
    if (!board) {
        errno = board.error().code;
        return nullptr;
    }
    auto shared = (*board)->ram();
    if (!shared) {
        errno = shared.error().code;
        return nullptr;
    }
    const std::string again = "/proc/self/fd/" + std::to_string(shared->get());
    smmu::UniqueFd ram(open(again.c_str(), O_RDWR | O_CLOEXEC));
    if (ram.get() < 0) return nullptr;
    return new machine{*std::move(board), std::move(ram), {}};
}

void machine_close(machine* machine) {
    if (machine == nullptr) return;
    for (const auto& mapping : machine->mappings) munmap(mapping.memory, mapping.length);
    delete machine;
}

int machine_find(machine* machine, const char* place, machine_device* found) {
    const auto device = device_at(place);
    if (!device) {
        errno = EINVAL;
        return -1;
    }
    *found = *device;
    const std::uint32_t identity = device->is_pci
                                       ? read_config(*machine, *device, 0)
                                       : machine_read32(machine, device->registers);
    if (identity == 0xffffffff) {
        errno = ENODEV;
        return -1;
    }
    if (device->is_pci) found->registers = first_memory_window(*machine, *device);
    return 0;
}

void machine_bus_master(machine* machine, const machine_device* device, bool on) {
    if (!device->is_pci) return;
    std::uint32_t command = read_config(*machine, *device, command_register) & 0xffff;
    command = on ? command | memory_space | bus_master : command & ~bus_master;
    write_config16(*machine, *device, command_register, static_cast<std::uint16_t>(command));
}

bool machine_is_bus_master(machine* machine, const machine_device* device) {
    return !device->is_pci || (read_config(*machine, *device, command_register) & bus_master) != 0;
}

int machine_set_message(machine* machine, const machine_device* function, std::uint64_t address,
                        std::uint16_t data) {
    const std::uint32_t at = function->is_pci ? message_capability(*machine, *function) : 0;
    if (at == 0) {
        errno = ENOTSUP;
        return -1;
    }
    const auto set = [&](std::uint32_t offset, std::uint32_t value) {
        machine->board->write(config_at(*machine, *function, at + offset), 4, value);
    };
    constexpr std::uint32_t wide = 1u << 7, enabled = 1;
    const std::uint32_t control = read_config(*machine, *function, at) >> 16;
    const bool is_wide = (control & wide) != 0;
    set(4, static_cast<std::uint32_t>(address));
    if (is_wide) set(8, static_cast<std::uint32_t>(address >> 32));
    write_config16(*machine, *function, at + (is_wide ? 12 : 8), data);
    write_config16(*machine, *function, at + 2, static_cast<std::uint16_t>(control | enabled));
    return 0;
}

std::uint32_t machine_read32(machine* machine, std::uint64_t address) {
    return static_cast<std::uint32_t>(machine->board->read({address}, 4));
}

std::uint64_t machine_read64(machine* machine, std::uint64_t address) {
    return machine->board->read({address}, 8);
}

void machine_write32(machine* machine, std::uint64_t address, std::uint32_t value) {
    machine->board->write({address}, 4, value);
}

void machine_write64(machine* machine, std::uint64_t address, std::uint64_t value) {
    machine->board->write({address}, 8, value);
}

int machine_take_memory(machine* machine, std::size_t length, machine_buffer* buffer) {
    if (length == 0 || length > share_end - share_begin) {
        errno = EINVAL;
        return -1;
    }
    const std::uint64_t whole = (length + piece - 1) / piece * piece;
    const std::uint64_t ram = first_ram(*machine);
    for (std::uint64_t at = ram + share_begin; at + whole <= ram + share_end; at += piece) {
        std::uint64_t offset = 0;
        if (!offset_in_ram(*machine, at, whole, offset)) continue;
        if (machine->takes(offset, whole) || !lock(machine->ram.get(), offset, whole)) continue;
        void* memory = mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_SHARED, machine->ram.get(),
                            static_cast<off_t>(offset));
        if (memory == MAP_FAILED) return -1;
        std::memset(memory, 0, whole);
        machine->mappings.push_back({memory, offset, whole});
        *buffer = {static_cast<unsigned char*>(memory), at, whole, machine->ram.get(), offset};
        return 0;
    }
    errno = ENOMEM;
    return -1;
}

const char* machine_log(const machine* machine) {
    return machine->board->machine().log_path.c_str();
}

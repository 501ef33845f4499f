// SPDX-License-Identifier: Apache-2.0
// Machine: what the board protocol says about a board, as values.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/range.hpp"

namespace smmu::link {

// A register access. Addresses are naturally aligned; ports are below 0x10000 and at most four
// bytes wide.
enum class OperationKind : std::uint8_t { read = 1, write = 2, port_in = 3, port_out = 4 };

struct Operation {
    OperationKind kind = OperationKind::read;
    std::uint8_t bytes = 4;
    std::uint64_t address = 0;
    std::uint64_t value = 0;

    static constexpr Operation read(PhysAddr address, std::uint8_t bytes) {
        return {OperationKind::read, bytes, address.value, 0};
    }
    static constexpr Operation write(PhysAddr address, std::uint8_t bytes, std::uint64_t value) {
        return {OperationKind::write, bytes, address.value, value};
    }
    static constexpr Operation port_in(std::uint16_t port, std::uint8_t bytes) {
        return {OperationKind::port_in, bytes, port, 0};
    }
    static constexpr Operation port_out(std::uint16_t port, std::uint8_t bytes,
                                        std::uint32_t value) {
        return {OperationKind::port_out, bytes, port, value};
    }

    constexpr bool reads() const {
        return kind == OperationKind::read || kind == OperationKind::port_in;
    }
    friend constexpr bool operator==(const Operation&, const Operation&) = default;
};

struct RamRange {
    PhysAddr base{};
    std::uint64_t length = 0;
    std::uint64_t offset = 0;  // of its first byte in the RAM file

    friend constexpr bool operator==(const RamRange&, const RamRange&) = default;
};

// How a unit's fault interrupt can be seen.
enum class Interrupts : std::uint32_t { poll = 0 };

struct MachineDescription {
    std::string name;
    std::array<std::uint8_t, 16> boot_identity{};
    Interrupts interrupts = Interrupts::poll;
    std::vector<RamRange> ram;
    std::string log_path;  // what the machine itself prints, such as QEMU's refusal lines
};

struct FirmwareTable {
    std::string name;
    std::uint64_t address = 0;  // where it lies in RAM; 0 when the board's description supplied it
    std::vector<std::byte> bytes;
};

// A write that the tap asked to be told of. Nothing but the tap's own accesses is carried out until
// it resumes.
struct Stop {
    PhysAddr address{};
    std::uint64_t value = 0;
    std::uint64_t sequence = 0;  // counts the tap's stops from 1
    std::uint32_t bytes = 0;
    std::uint32_t writer = 0;  // pid
};

// What becomes of the writer at a stop: it goes on with its next access, or its connection is
// closed with nothing more of its packet carried out, as if it had died right after this write.
enum class Fate : std::uint32_t { go_on = 0, cut_off = 1 };

}  // namespace smmu::link

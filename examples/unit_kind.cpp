// SPDX-License-Identifier: Apache-2.0
#include "unit_kind.hpp"

#include "machine.h"

namespace demo {
namespace {

// Translation off: TE of the global command register.
void open_vtd(machine* board) {
    constexpr std::uint64_t unit = 0xfed90000, global_command = 0x18, global_status = 0x1c;
    constexpr std::uint32_t lasting = 0x96ffffff, translation_enable = 1u << 31;
    const std::uint32_t status = machine_read32(board, unit + global_status);
    machine_write32(board, unit + global_command, (status & lasting) & ~translation_enable);
}

// Nothing aborted while it is off (GBPA), and off (CR0).
void open_smmuv3(machine* board) {
    constexpr std::uint64_t unit = 0x9050000, control = 0x20, bypass = 0x44;
    constexpr std::uint32_t update = 1u << 31;
    machine_write32(board, unit + bypass, update);
    machine_write32(board, unit + control, 0);
}

// EVENTQ_PROD counts with a wrap bit: what went round is not seen, and never needed.
std::uint32_t recorded_by_smmuv3(machine* board) {
    return machine_read32(board, 0x9050000 + 0x100a8);
}

constexpr UnitKind vtd{"vtd", "DMAR", open_vtd, nullptr};
constexpr UnitKind smmuv3{"armsmmuv3", "IORT", open_smmuv3, recorded_by_smmuv3};

}  // namespace

const UnitKind& unit_kind(std::uint64_t memory_begins) {
    return memory_begins == 0 ? vtd : smmuv3;
}

}  // namespace demo

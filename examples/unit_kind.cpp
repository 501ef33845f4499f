// SPDX-License-Identifier: Apache-2.0
#include "unit_kind.hpp"

#include <algorithm>

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

// sCR0.CLIENTPD: all that devices do passes.
void open_smmuv2(machine* board) {
    constexpr std::uint64_t unit = 0xfd800000;
    constexpr std::uint32_t everything_passes = 1;
    machine_write32(board, unit, machine_read32(board, unit) | everything_passes);
}

std::uint32_t aborted_in_mmu500_engine(machine* board) {
    return machine_read32(board, 0xff000000 + 0xb0);
}

// IMUCTR of the engine's micro-TLB, number 32 of the cache unit ds1: off.
void open_ipmmu(machine* board) {
    machine_write32(board, 0xe7740000 + 0x600, 0);
}

std::uint32_t refused_in_rcar_master(machine* board) {
    return machine_read32(board, 0xee100000 + 0x2c);
}

constexpr UnitKind kinds[] = {
    {"q35-vtd", "smmu vtd", "DMAR", "0:3.0", open_vtd, nullptr, "", true, true},
    {"virt-smmuv3", "smmu armsmmuv3", "IORT", "0:3.0", open_smmuv3, recorded_by_smmuv3,
     "the unit itself wrote a record of it", true, true},
    {"model-mmu500", "smmu armsmmu", "", "mem:ff000000", open_smmuv2, aborted_in_mmu500_engine,
     "the device itself was told that its access was aborted", true, true},
    {"model-rcar-h3", "@../rcar-h3.smmu", "", "mem:ee100000", open_ipmmu, refused_in_rcar_master,
     "the device itself was told that its access was refused", false, false},
};

}  // namespace

const UnitKind* unit_kind(std::string_view board) {
    const auto* const kind = std::ranges::find_if(
        kinds, [&](const UnitKind& known) { return board.starts_with(known.boards); });
    return kind == std::end(kinds) ? nullptr : kind;
}

}  // namespace demo

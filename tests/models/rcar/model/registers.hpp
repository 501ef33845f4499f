// SPDX-License-Identifier: Apache-2.0
// Registers: offsets and bits of an IPMMU's registers, and where they lie in a unit of either
// generation.
#pragma once

#include <cstdint>

namespace smmu::model::rcar {

// Of a context.
namespace context_register {
inline constexpr unsigned control = 0x00, table_control = 0x08, root_low0 = 0x10, root_high0 = 0x14,
                          root_low1 = 0x18, root_high1 = 0x1c, status = 0x20, attributes0 = 0x28,
                          attributes1 = 0x2c, fault_low = 0x30, fault_high = 0x34;
}

// Of the whole unit.
namespace unit_register {
inline constexpr unsigned physical_map = 0x200, physical_map_entries = 0x280,
                          physical_map_end = 0x300, control = 0x500, auxiliary = 0x504,
                          signals = 0x540, memory_errors = 0x560, performance_end = 0x5a0;
}

// IMCTR.
namespace control {
inline constexpr std::uint32_t enable = 1, flush = 2, interrupt = 4, wide = 1u << 29;
}

// IMTTBCR.
namespace table_control {
inline constexpr std::uint32_t long_format = 1u << 31, stage2 = 1u << 30;
}

// IMSTR.
namespace fault {
inline constexpr std::uint32_t translation = 1, permission = 2, abort = 4, multiple_hit = 0x10,
                               format = 1 << 8, access = 4 << 8, secure = 5 << 8;
constexpr std::uint32_t level(unsigned level) {
    return level << 12;
}
}  // namespace fault

// IMUCTR.
namespace slot {
inline constexpr std::uint32_t enable = 1, flush = 2, fixed_address = 1u << 31;
}

// IMSCTLR, IMSAUXCTLR.
inline constexpr std::uint32_t cache_off = 0xe0000000, secure_groups = 1u << 28,
                               stage2_format = 1u << 3;

// What lies at an offset of a unit's window.
struct Place {
    enum class Kind : std::uint8_t { none, context, slot, unit };
    Kind kind = Kind::none;
    unsigned index = 0;      // of the context or the micro-TLB
    unsigned register_ = 0;  // offset within the context, the micro-TLB or the unit's own block

    friend bool operator==(const Place&, const Place&) = default;
};

Place place(unsigned generation, std::uint64_t offset);

}  // namespace smmu::model::rcar

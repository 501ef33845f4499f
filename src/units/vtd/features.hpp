// SPDX-License-Identifier: Apache-2.0
// Features: what one unit can do, decoded once from VER, CAP and ECAP, and what this driver chose
// of it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "memory/coherency.hpp"
#include "units/unit.hpp"
#include "units/vtd/registers.hpp"

namespace smmu::units::vtd {

// Device addresses that are interrupts on this architecture, never memory: they are not translated.
inline constexpr IovaRange interrupt_addresses{{0xfee0'0000}, {0xfeef'ffff}};

// As RTADDR.TTM says it.
enum class TableMode : std::uint8_t { legacy = 0, scalable = 1, reserved = 2, abort = 3 };
enum class Stage : std::uint8_t { first = 1, second = 2 };

// How streams find their pages: what the unit offers one or two of.
struct Walk {
    TableMode mode = TableMode::legacy;
    Stage stage = Stage::second;
    unsigned levels = 0;      // tables from root to leaf table
    unsigned width_code = 0;  // AW; emulators look at it in the first stage too
    unsigned input_bits = 0;  // of device addresses that can be granted
    std::uint64_t leaf_sizes = 0;
    memory::Coherency coherency = memory::Coherency::not_snooped;  // of page tables
};

struct Features {
    unsigned major = 0, minor = 0;

    Walk walk;                         // what is used
    std::optional<Walk> legacy_walk;   // what else could be, where that is another one
    memory::Coherency coherency = memory::Coherency::not_snooped;  // of all other tables
    bool forces_snoop = false;         // ECAP.SC
    bool scalable = false;             // ECAP.SMTS
    bool aborts = false;               // ECAP.ADMS: can refuse everything without a table

    // Invalidation.
    bool queued = false;                // ECAP.QI
    bool page_selective = false;        // CAP.PSI
    unsigned largest_address_mask = 0;  // CAP.MAMV
    bool drains_reads = false, drains_writes = false;
    bool caches_absent = false;     // CAP.CM: "not present" may be cached
    bool buffers_writes = false;    // CAP.RWBF
    bool root_invalidates = false;  // CAP.ESRTPS
    std::uint64_t invalidation_registers = 0;

    // Faults.
    unsigned fault_records = 1;
    std::uint64_t fault_registers = 0;

    std::uint32_t domains = 0;  // ids 0 .. domains - 1
    bool protected_low = false, protected_high = false;
    bool interrupt_remapping = false;

    bool has_protected_memory() const { return protected_low || protected_high; }
    // Bytes of registers that the unit says it has.
    std::uint64_t register_bytes() const;

    // ENXIO when nothing answers, ENOTSUP when this driver cannot contain with it; `where` names
    // the unit.
    static Result<Features> read(const hw::Registers& registers, const std::string& where);
};

// What containment is told. The machine has physical addresses below 2^host_bits.
Capabilities capabilities_of(const Features& features, unsigned host_bits);

}  // namespace smmu::units::vtd

// SPDX-License-Identifier: Apache-2.0
// Features: what one SMMUv2 can do, decoded once from its identification registers and the
// topology, and what this driver chose of it.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "memory/coherency.hpp"
#include "topology/topology.hpp"
#include "units/smmuv2/registers.hpp"
#include "units/unit.hpp"

namespace smmu::units::smmuv2 {

enum class Stage : std::uint8_t { first = 1, second = 2 };

struct Features {
    unsigned major = 0, minor = 0;  // of the product's revision

    Stage stage = Stage::second;  // which is used: the second where the unit has it
    unsigned levels = 0;          // tables from root to leaf table
    unsigned input_bits = 0;      // of device addresses that can be granted
    unsigned output_bits = 0;     // IDR2.OAS
    unsigned output_code = 0;
    std::uint64_t leaf_sizes = 0;
    unsigned root_order()
        const;  // frames of a root table, log2: those of stage 2 may lie side by side
    memory::Coherency coherency = memory::Coherency::not_snooped;

    bool stream_matching = true;  // else a stream is the index of its S2CR
    unsigned groups = 0;          // S2CRs, and SMRs where streams are matched
    unsigned stream_bits = 0;     // streams are below 2^stream_bits
    bool extended_ids = false;    // EXIDENABLE is there, and is used
    bool detects_conflicts = false;

    unsigned banks = 0;       // context banks that are there
    unsigned first_bank = 0;  // of those that this driver uses: it and all above it

    unsigned page_log2 = 12;  // of a page of registers
    unsigned pages = 0;       // of the global half, and of the half with the context banks
    std::uint64_t register_bytes() const { return std::uint64_t{2} * pages << page_log2; }

    // ENXIO when nothing answers, ENOTSUP when this driver cannot contain with it
    static Result<Features> read(const hw::Registers& registers, const topology::Unit& unit);
};

// What containment is told. The machine has physical addresses below 2^host_bits.
Capabilities capabilities_of(const Features& features, unsigned host_bits);

}  // namespace smmu::units::smmuv2

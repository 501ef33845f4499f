// SPDX-License-Identifier: Apache-2.0
// Features: what one SMMUv3 can do, decoded once from its identification registers, and what this driver chose of it.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "memory/coherency.hpp"
#include "units/smmuv3/registers.hpp"
#include "units/unit.hpp"

namespace smmu::units::smmuv3 {

enum class Stage : std::uint8_t { first = 1, second = 2 };

struct Features {
    unsigned major = 0, minor = 0;

    Stage stage = Stage::second;    // which is used: the second where the unit has it
    bool has_second = false;        // VMIDs tag what the first stage caches, too
    unsigned granule_log2 = 12;     // of tables and smallest leaves: the smallest that the unit has
    unsigned levels = 0;            // tables from root to leaf table
    unsigned input_bits = 0;        // of device addresses that can be granted
    unsigned output_bits = 0;       // IDR5.OAS
    unsigned output_code = 0;
    std::uint64_t leaf_sizes = 0;
    memory::Coherency coherency = memory::Coherency::not_snooped;

    unsigned stream_bits = 0;
    bool two_level_streams = false;
    unsigned command_queue_log2 = 0, event_queue_log2 = 0;  // largest
    std::uint32_t tags = 0;          // VMIDs for stage 2, ASIDs for stage 1: 0 .. tags - 1
    bool range_invalidation = false;
    bool hypervisor = false;         // has EL2 translations that could be cached
    bool device_caches = false;      // ATS
    bool must_stall = false;         // STALL_MODEL = 2

    // Bits of an address that one table resolves; the root's frames, log2: of stage 2 it may be several tables side by side.
    unsigned bits_per_level() const { return granule_log2 - 3; }
    unsigned root_order() const;

    // ENXIO when nothing answers, ENOTSUP when this driver cannot contain with it; `where` names the unit.
    static Result<Features> read(const hw::Registers& registers, const std::string& where);
};

// What containment is told. The machine has physical addresses below 2^host_bits.
Capabilities capabilities_of(const Features& features, unsigned host_bits);

}  // namespace smmu::units::smmuv3

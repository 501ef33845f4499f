// SPDX-License-Identifier: Apache-2.0
// Madt: the interrupt controllers of an Arm machine (GIC), as far as DMA meets them: which frames no device may write, and
// which page a device writes to raise its interrupts (ACPI 6.5, 5.2.12; Arm IHI 0048 and 0069). Those of x86 stand at
// fixed places and are not read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/range.hpp"
#include "base/result.hpp"
#include "topology/topology.hpp"

namespace smmu::firmware {

// No machine has as many frames; a table that names more is damaged.
inline constexpr std::size_t most_gic_frames = 4096;

// Registers of an interrupt controller that no device may reach.
struct GicFrame {
    enum class Kind : std::uint8_t { distributor, redistributor, cpu_interface, translation_service };
    Kind kind;
    PhysRange range;
    topology::Origin origin;
};
std::string_view name(GicFrame::Kind kind);

// The frame with GITS_TRANSLATER, at its beginning: what a device writes there is its interrupt.
struct TranslationService {
    std::uint32_t id = 0;  // as the IORT names it
    PhysRange doorbell;
    topology::Origin origin;
};

// A GICv2m frame: one page, of which only the register that raises an interrupt can be written.
struct MessageFrame {
    std::uint32_t id = 0;
    PhysRange doorbell;
    topology::Origin origin;
};

struct Madt {
    std::vector<GicFrame> frames;  // none of them holds a doorbell
    std::vector<TranslationService> services;
    std::vector<MessageFrame> message_frames;
    std::vector<topology::Finding> findings;
};

// EINVAL when the table as a whole cannot be trusted; the text says why.
Result<Madt> parse_madt(std::span<const std::byte> bytes);

}  // namespace smmu::firmware

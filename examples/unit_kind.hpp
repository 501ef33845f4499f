// SPDX-License-Identifier: Apache-2.0
// UnitKind: what the demonstration must know of a board's IOMMU.
#pragma once

#include <cstdint>

struct machine;

namespace demo {

struct UnitKind {
    const char* word;   // of the configuration
    const char* table;  // of firmware, where the unit is described
    void (*open)(machine* board);  // lets everything pass, behind the service's back
    // How many refusals the unit has written to its queue; nullptr where the emulator says on its log what it refuses.
    std::uint32_t (*recorded)(machine* board);
};

// By where the board's memory begins: at 0 it is a PC, elsewhere an Arm machine.
const UnitKind& unit_kind(std::uint64_t memory_begins);

}  // namespace demo

// SPDX-License-Identifier: Apache-2.0
// UnitKind: what the demonstration must know of a board's IOMMU.
#pragma once

#include <cstdint>
#include <string_view>

struct machine;

namespace demo {

struct UnitKind {
    std::string_view boards;     // begin with this
    std::string_view words;      // of the configuration; a file's name with @, relative to the folder of boards
    std::string_view described;  // by which ACPI table, on boards that have ACPI tables
    const char* engine;          // the place of the DMA engine that the story is about
    void (*open)(machine* board);  // lets the engine pass, behind the service's back
    // A count beside the service's that a refusal changes, and what it means; none where the emulator says on its log what it
    // refuses.
    std::uint32_t (*recorded)(machine* board);
    const char* witness;
    // What hardware says of a refusal: whether it was a read or a write; and which device it was, where that is blocked.
    bool tells_direction, tells_blocked;
};

const UnitKind* unit_kind(std::string_view board);  // nullptr: no story is known for it

}  // namespace demo

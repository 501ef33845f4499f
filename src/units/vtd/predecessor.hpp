// SPDX-License-Identifier: Apache-2.0
// Predecessor: the tables of an earlier instance of this service that the unit is using now, as far
// as they are sound. Everything read here was written by a process that may have died at any
// instruction, or by somebody else.
#pragma once

#include <optional>
#include <vector>

#include "memory/arena.hpp"
#include "units/vtd/hardware.hpp"

namespace smmu::units::vtd {

struct Predecessor {
    PhysAddr root;
    std::vector<std::uint16_t> domains;  // ids that occur in its tables
};

// Nothing unless the unit translates in the mode of `features.walk` by tables in `arena` that an
// earlier instance of this boot can have left, down to the roots of the page tables. Reads only.
std::optional<Predecessor> find_predecessor(const hw::Registers& registers,
                                            const Features& features, const memory::Arena& arena);
// Whether the invalidation queue that is running lies in `arena` and has the form this driver gives
// it.
bool has_own_queue(const Hardware& hardware, const memory::Arena& arena);

}  // namespace smmu::units::vtd

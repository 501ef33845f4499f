// SPDX-License-Identifier: Apache-2.0
// Predecessor: whether the contexts that are enabled are those that an earlier instance of the service left.
#pragma once

#include <optional>

#include "memory/arena.hpp"
#include "units/ipmmu/hardware.hpp"

namespace smmu::units::ipmmu {

// Frames of a root table, log2.
constexpr unsigned root_order(TableFormat format) { return format == TableFormat::stage2 ? 1 : 0; }

struct Predecessor {
    unsigned refusing;  // a context in whose tables nothing is mapped
    PhysAddr root;      // of it
};

// Nothing unless every context that is enabled has the form this driver writes and its root in table memory of an earlier
// instance, nothing is mapped in one of them, and every micro-TLB that is on is tied to one of them. Cache units without
// power are not looked at.
std::optional<Predecessor> find_predecessor(const Hardware& hardware, const memory::Arena& arena);

}  // namespace smmu::units::ipmmu

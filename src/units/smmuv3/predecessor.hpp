// SPDX-License-Identifier: Apache-2.0
// Predecessor: whether the stream table that the unit uses is one that an earlier instance of the service left.
#pragma once

#include <optional>
#include <vector>

#include "memory/arena.hpp"
#include "units/smmuv3/stream_table.hpp"

namespace smmu::units::smmuv3 {

struct Predecessor {
    PhysAddr root;
    StreamTableLayout layout;
    std::vector<std::uint16_t> tags;  // in use by its entries
};

// Nothing unless the unit is on and every word of the table is one of ours.
std::optional<Predecessor> find_predecessor(const hw::Registers& registers, const Features& features, const memory::Arena& arena);

}  // namespace smmu::units::smmuv3

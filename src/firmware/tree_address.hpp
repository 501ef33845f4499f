// SPDX-License-Identifier: Apache-2.0
// TreeAddress: addresses of a device tree as the processors see them: through `ranges` of every bus up to the root.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "base/range.hpp"
#include "firmware/flat_tree.hpp"

namespace smmu::firmware {

inline constexpr std::size_t most_address_cells = 3;
inline constexpr std::size_t most_size_cells = 2;
inline constexpr std::size_t most_registers = 64;      // of one node
inline constexpr std::size_t most_bus_windows = 1024;  // entries of one `ranges`

// How many cells an address and a size have on a bus; nothing when its numbers are no such counts.
struct BusCells {
    std::size_t address;
    std::size_t size;
};
std::optional<BusCells> bus_cells(const FlatTree& tree, FlatTree::Node bus);

// What answers at a node's registers. Entries that the processors cannot reach are left out.
struct TreeRegisters {
    std::vector<PhysRange> ranges;
    std::string fault;  // why some are missing; empty when `reg` is sound
};
TreeRegisters registers_of(const FlatTree& tree, FlatTree::Node node);

}  // namespace smmu::firmware

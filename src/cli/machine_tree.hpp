// SPDX-License-Identifier: Apache-2.0
// MachineTree: the devices of a status as they hang on each other: segments, root buses, bridges. Pure.
#pragma once

#include <cstdint>
#include <vector>

#include "report/status.hpp"

namespace smmu::cli {

struct Node {
    const report::Device* device;
    std::vector<Node> below;  // on the buses behind it, when it is a bridge
};

struct RootBus {
    std::uint16_t segment;
    std::uint8_t bus;
    std::vector<Node> nodes;
};

struct MachineTree {
    std::vector<RootBus> buses;                   // ascending by segment and bus
    std::vector<const report::Device*> blocks;    // memory-mapped devices, which hang on no bus
};

// Points into `status`.
MachineTree machine_tree(const report::Status& status);

}  // namespace smmu::cli

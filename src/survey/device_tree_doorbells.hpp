// SPDX-License-Identifier: Apache-2.0
// DeviceTreeDoorbells: where devices write their message interrupts, and what of the interrupt controllers and units that a
// device tree names they must never reach.
#pragma once

#include <optional>
#include <vector>

#include "firmware/device_tree.hpp"
#include "topology/topology.hpp"

namespace smmu::survey {

// No machine has as many; those beyond are nobody's.
inline constexpr std::size_t most_tree_doorbells = 256;

// The doorbell of each controller of message interrupts. Nothing: it has none that is known, or one that lies in something
// else that the tree, `memory` or `protected_memory` names, which a grant of it would open.
std::vector<std::optional<topology::Grant>> doorbells_of_controllers(const firmware::DeviceTree& tree, const std::vector<PhysRange>& memory,
                                                                     const std::vector<topology::Protected>& protected_memory);
// The controllers that messages of a function with this requester id go to.
std::vector<std::size_t> controllers_of(const firmware::PciHost& host, StreamId id);

// Interrupt controllers, and units that are off or have more registers than the topology names.
std::vector<topology::Protected> protected_by(const firmware::DeviceTree& tree);

}  // namespace smmu::survey

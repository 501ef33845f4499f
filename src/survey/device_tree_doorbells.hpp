// SPDX-License-Identifier: Apache-2.0
// DeviceTreeDoorbells: where devices write their message interrupts, and what of the interrupt controllers and units that a
// device tree names they must never reach.
#pragma once

#include <optional>
#include <vector>

#include "firmware/device_tree.hpp"
#include "topology/topology.hpp"

namespace smmu::survey {

// The frame that holds the doorbell, at its beginning, and nothing else that matters; nothing when there is none.
std::optional<PhysRange> doorbell_frame(const firmware::MsiController& controller);

// The doorbells of some controllers, as grants of the devices that use them.
std::vector<topology::Grant> doorbells_of(const firmware::DeviceTree& tree, const std::vector<std::size_t>& controllers);
// The controllers that messages of a function with this requester id go to.
std::vector<std::size_t> controllers_of(const firmware::PciHost& host, StreamId id);

// Units, on or off, interrupt controllers, and doorbells, each by itself.
std::vector<topology::Protected> protected_by(const firmware::DeviceTree& tree);

}  // namespace smmu::survey

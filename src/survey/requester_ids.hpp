// SPDX-License-Identifier: Apache-2.0
// Requester ids: under which ids the DMA of a PCI function may arrive at a unit.
#pragma once

#include <vector>

#include "topology/pci_tree.hpp"

namespace smmu::survey {

struct RequesterId {
    StreamId id;
    topology::Origin origin;
};

// Its own id first; then, for every bridge on the way up that takes requests over, the ids that it
// may put in their place. No id twice.
std::vector<RequesterId> requester_ids(const topology::PciTree& tree,
                                       const topology::PciAddress& address);

}  // namespace smmu::survey

// SPDX-License-Identifier: Apache-2.0
// Groups: which devices hardware cannot tell apart, or which can reach each other without passing a
// unit.
#pragma once

#include "topology/pci_tree.hpp"
#include "topology/topology.hpp"

namespace smmu::survey {

// Fills `groups` and every device's `group` from streams and from what the PCI tree says about
// access control. While the gate has not run, control that could be set counts as set.
void form_groups(topology::Topology& topology, const topology::PciTree& tree);

}  // namespace smmu::survey

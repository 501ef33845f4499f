// SPDX-License-Identifier: Apache-2.0
// Gate: what is done to PCI functions before the service says READY, and what makes one of them
// quiet.
#pragma once

#include "platform/platform.hpp"
#include "topology/pci_tree.hpp"

namespace smmu::pci {

// Sets ACS on every function that has it, clears the enables of ATS, PRI and PASID, reads
// everything back into the tree and adds findings for what did not follow. Group building may then
// rely on the tree.
void gate(platform::PciConfig& config, topology::PciTree& tree);

// True when bus mastering reads back as off: the function issues no request any more.
bool bus_master_off(platform::PciConfig& config, const topology::PciAddress& address);

}  // namespace smmu::pci

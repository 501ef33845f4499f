// SPDX-License-Identifier: Apache-2.0
// Gate: what is done to PCI functions before the service says READY, and what makes one of them
// quiet.
#pragma once

#include <string>
#include <vector>

#include "platform/platform.hpp"
#include "topology/pci_tree.hpp"

namespace smmu::pci {

// Sets ACS on every function that has it, clears the enables of ATS, PRI and PASID, reads
// everything back into the tree and adds findings for what did not follow. Group building may then
// rely on the tree.
void gate(platform::PciConfig& config, topology::PciTree& tree);

// Functions that are no longer as the gate left them: somebody has switched access control off, or a translation service
// on. They are put back; what still does not follow is in the sentence. Functions that do not answer are left out.
std::vector<std::string> put_gate_back(platform::PciConfig& config, const topology::PciTree& tree);

// True when bus mastering reads back as off: the function issues no request any more.
bool bus_master_off(platform::PciConfig& config, const topology::PciAddress& address);

}  // namespace smmu::pci

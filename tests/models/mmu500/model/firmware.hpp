// SPDX-License-Identifier: Apache-2.0
// Firmware: what the board hands over: a device tree "dtb" at the top of RAM, or an ACPI IORT.
//
// The tree, with 64-bit addresses and sizes:
//   memory@80000000                the RAM
//   interrupt-controller@f9010000  arm,gic-400; nobody raises anything (a board says: poll)
//   iommu@BASE                     arm,mmu-500; one global interrupt, then one of each bank;
//                                  #iommu-cells 1; dma-coherent where walks are
//   dma@BASE                       smmuman,model-dma; reg; iommus: one entry of each stream
// The IORT says the same with SMMU nodes of model 3 and named components "\_SB_.DMAn", whose single
// mappings lead to their streams.
#pragma once

#include <vector>

#include "link/machine.hpp"
#include "tests/models/mmu500/model/facts.hpp"

namespace smmu::model::mmu500 {

std::vector<link::FirmwareTable> firmware_tables(const MachineFacts& facts);

// The two of them.
link::FirmwareTable device_tree(const MachineFacts& facts);
link::FirmwareTable iort(const MachineFacts& facts);

}  // namespace smmu::model::mmu500

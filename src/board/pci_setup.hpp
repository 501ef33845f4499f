// SPDX-License-Identifier: Apache-2.0
// PCI setup: what firmware does to a PCI hierarchy before anybody else sees it: numbers for buses,
// addresses for devices, windows for bridges. No function becomes a bus master.
#pragma once

#include "base/range.hpp"
#include "base/result.hpp"
#include "board/machine.hpp"

namespace smmu::board {

struct PciPlaces {
    PhysAddr config;   // configuration space of bus 0; further buses follow
    PhysRange memory;  // for devices' registers; below 4 GiB
};

// Buses are numbered and addresses given in the order in which functions are found, depth first:
// the same machine comes out the same each time. I/O ports are not given. ENOSPC: there are more
// buses, or more registers, than room.
Result<void> set_up_pci(Machine& machine, const PciPlaces& places);

}  // namespace smmu::board

// SPDX-License-Identifier: Apache-2.0
// What a device tree says, for the listing of raw tables.
#pragma once

#include "firmware/device_tree.hpp"
#include "report/tables.hpp"

namespace smmu::cli {

// Adds units, masters, the maps of PCI host bridges, memory that devices must reach and configuration space.
void list_device_tree(const firmware::DeviceTree& tree, report::TableListing& listing);

}  // namespace smmu::cli

// SPDX-License-Identifier: Apache-2.0
// HostDevices: PCI functions that the host's own drivers use, and that a start would cut off from memory.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/configuration.hpp"
#include "platform/platform.hpp"
#include "topology/pci_tree.hpp"
#include "topology/topology.hpp"

namespace smmu::daemon {

// A line for each that does DMA, is behind a unit, and that no `device` word names: what hangs on it, and what to say.
// Drivers that hand functions to programs (vfio-pci, uio) do not count.
std::vector<std::string> devices_cut_off(std::span<const platform::HostDriver> drivers, const topology::PciTree& pci,
                                         const topology::Topology& topology, const config::Configuration& configuration);

}  // namespace smmu::daemon

// SPDX-License-Identifier: Apache-2.0
// HostDevices: what the kernel of this machine drives itself and a start would refuse: the disk under its root, its network.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/configuration.hpp"
#include "platform/platform.hpp"
#include "topology/pci_tree.hpp"
#include "topology/topology.hpp"

namespace smmu::daemon {

struct HostDevice {
    topology::DeviceId id;
    std::string driver;
    std::vector<std::string> uses;  // what hangs on it: "nvme0n1p2: /"
};

// Devices that do DMA for a driver of the kernel, lie behind a unit that would be programmed, and that no `device` line names.
// Drivers that hand their devices on (vfio-pci, uio) are somebody's who asks this service.
std::vector<HostDevice> refused_host_devices(std::span<const platform::HostDriver> drivers, const topology::PciTree& pci,
                                             const topology::Topology& topology, const config::Configuration& configuration);
// The same of devices on no bus: known by where their registers are, or by their ACPI path.
std::vector<HostDevice> refused_host_devices(std::span<const platform::HostBlock> blocks, const topology::Topology& topology,
                                             const config::Configuration& configuration);

// A line for each: driver, what hangs on it, and the line of configuration that keeps it working.
std::string host_devices_text(std::span<const HostDevice> devices);

}  // namespace smmu::daemon

// SPDX-License-Identifier: Apache-2.0
// Survey: firmware tables, PCI tree and configuration become the topology that the service acts on.
// Pure: the same input gives the same topology, in the service, in a check and offline.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "base/range.hpp"
#include "config/configuration.hpp"
#include "firmware/mcfg.hpp"
#include "topology/pci_tree.hpp"
#include "topology/topology.hpp"

namespace smmu::survey {

// Reserved regions of firmware above this size are not believed without a `reserved` clause. The
// largest that real machines are known to have, for graphics, take half of it.
inline constexpr std::uint64_t largest_reserved_region = std::uint64_t{256} << 20;

struct Table {
    std::string name;  // "DMAR", "MCFG"
    std::span<const std::byte> bytes;
};

// How far a unit's registers really reach, as the unit itself says; firmware often says less.
struct RegisterWindow {
    PhysAddr base;
    std::uint64_t bytes;
};

// Functions that the host's kernel cannot tell apart, where it keeps the units.
struct KernelGroup {
    unsigned number;
    std::vector<topology::PciAddress> members;
};

struct Input {
    std::vector<Table> tables;
    const topology::PciTree& pci;
    const config::Configuration& configuration;
    std::vector<PhysRange>
        ram;  // plain memory; what is outside is reserved by firmware or no memory
    std::vector<PhysRange> table_memory;  // where the service keeps tables and queues
    std::vector<RegisterWindow> register_windows;
    std::vector<PhysAddr> silent_units;  // register bases at which nothing answers
    std::vector<PhysRange> further_registers = {};  // of units, that nobody described
    std::vector<KernelGroup> kernel_groups = {};    // where configuration leaves the units to the kernel
};

topology::Topology survey(const Input& input);

// Where a device tree says that configuration space is: of the tree that a survey of these tables reads.
std::vector<firmware::ConfigWindow> config_windows_of_device_tree(const std::vector<Table>& tables);

}  // namespace smmu::survey

// SPDX-License-Identifier: Apache-2.0
// Machine: what the service found to run on: the platform, its table memory, its PCI functions and the topology
// that firmware, configuration and the bus itself describe.
#pragma once

#include <memory>

#include "base/clock.hpp"
#include "config/configuration.hpp"
#include "daemon/exit_status.hpp"
#include "memory/arena.hpp"
#include "platform/platform.hpp"
#include "topology/pci_tree.hpp"
#include "topology/topology.hpp"

namespace smmu::daemon {

// In order of construction: what comes later uses what comes before.
struct Machine {
    std::unique_ptr<platform::Platform> platform;
    std::unique_ptr<platform::PciConfig> pci_config;
    topology::PciTree pci;
    topology::Topology topology;
    std::unique_ptr<memory::Arena> arena;
};

// Learns everything; of the hardware only PCI's access control is changed (before READY, contract of the gate).
Started<Machine> discover(const config::Configuration& configuration);

}  // namespace smmu::daemon

// SPDX-License-Identifier: Apache-2.0
// Machine: what the service found to run on: the platform, its table memory, its PCI functions and the topology
// that firmware, configuration and the bus itself describe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/configuration.hpp"
#include "daemon/exit_status.hpp"
#include "daemon/host_devices.hpp"
#include "memory/arena.hpp"
#include "platform/platform.hpp"
#include "survey/survey.hpp"
#include "topology/pci_tree.hpp"
#include "topology/topology.hpp"

namespace smmu::daemon {

struct UnreadUnit {
    PhysAddr base;
    Error why;  // it could not be looked at
};

// In order of construction: what comes later uses what comes before.
struct Machine {
    std::unique_ptr<platform::Platform> platform;
    std::vector<platform::RawTable> tables;  // of firmware
    std::unique_ptr<platform::PciConfig> pci_config;
    topology::PciTree pci;
    std::optional<memory::TableMemory> table_memory;  // nothing: only looked at
    std::vector<PhysAddr> silent_units;               // register bases at which nothing answers
    std::vector<survey::RegisterWindow> register_windows;
    std::vector<PhysRange> further_registers;  // of units, that nobody described
    std::vector<UnreadUnit> unread_units;
    std::vector<PhysAddr> walked_tables;  // of units that were translating when they were looked at
    topology::Topology topology;
    std::unique_ptr<memory::Arena> arena;

    std::vector<survey::Table> tables_to_survey() const;  // views of `tables`
    // The machine as this configuration wants it; nothing is read anew.
    topology::Topology survey(const config::Configuration& configuration) const;
    std::vector<HostDevice> refused_host_devices(const config::Configuration& configuration) const;
    // Reads PCI's functions again, as they are now, and sets their access control.
    Started<void> look_at_pci_again();
    // Where configuration space is, as firmware says.
    std::vector<platform::EcamWindow> config_windows() const;
};

// Learns everything and changes nothing: reads only. No table memory and no arena. `tables_folder`: firmware tables
// from files instead of the machine's.
Started<Machine> look_around(const config::Configuration& configuration, const std::optional<std::string>& tables_folder);

// Learns everything for a service; of the hardware only PCI's access control is changed (before READY, contract of the
// gate).
Started<Machine> discover(const config::Configuration& configuration, const std::optional<std::string>& tables_folder);

// "NOT CONTAINED: 2 units were left as found": what a start that ends before anything was touched says first.
std::string left_as_found(std::size_t units);
// The same for a start that ends before it looked around. A machine that cannot be looked at says nothing of its units.
std::string left_as_found(const config::Configuration& configuration, const std::optional<std::string>& tables_folder);

// What the user said that does not fit the machine; nothing is wrong otherwise.
Started<void> check_configuration(const topology::Topology& topology);

}  // namespace smmu::daemon

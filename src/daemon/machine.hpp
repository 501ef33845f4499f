// SPDX-License-Identifier: Apache-2.0
// Machine: what the service found to run on: the platform, its table memory, its PCI functions and the topology
// that firmware, configuration and the bus itself describe.
#pragma once

#include <array>
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
    bool kernel_keeps_units = false;  // nothing of the hardware is this service's: no register, no table, no gate
    struct alignas(memory::frame_bytes) NoTables {
        std::array<std::byte, 64 * memory::frame_bytes> bytes;  // as few as an arena takes; no unit walks them
    };
    std::unique_ptr<NoTables> no_tables;

    std::vector<survey::Table> tables_to_survey() const;  // views of `tables`
    // The machine as this configuration wants it; nothing is read anew.
    topology::Topology survey(const config::Configuration& configuration) const;
    std::vector<HostDevice> refused_host_devices(const config::Configuration& configuration) const;
    // Reads PCI's functions again, as they are now, and sets their access control.
    Started<void> look_at_pci_again();
    // Where tables are: for a machine whose kernel keeps its units nowhere, and the machine is held for this service.
    Started<memory::TableMemory> tables_for(const config::Configuration& configuration);
    // Where configuration space is, as firmware says.
    std::vector<platform::EcamWindow> config_windows() const;
};

// How much table memory configuration asks for, where it does not say where.
std::uint64_t table_bytes(const config::TableMemory& wanted);

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

// On a real machine: a unit that walks tables which no service of this boot made is left as it was found, unless configuration
// says `takeover foreign`. An emulated board has nobody else.
Started<void> check_foreign_tables(const config::Configuration& configuration, const Machine& machine);

// What the user said that does not fit the machine; nothing is wrong otherwise.
Started<void> check_configuration(const topology::Topology& topology);

}  // namespace smmu::daemon

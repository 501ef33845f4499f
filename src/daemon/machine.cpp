// SPDX-License-Identifier: Apache-2.0
#include "daemon/machine.hpp"

#include "daemon/registry.hpp"
#include "firmware/mcfg.hpp"
#include "pci/enumerate.hpp"
#include "pci/gate.hpp"
#include "survey/survey.hpp"

namespace smmu::daemon {

namespace {

// Table memory unless configuration says otherwise: room for the 4 KiB leaves of 16 GiB.
constexpr std::uint64_t usual_table_bytes = std::uint64_t{32} << 20;

std::unexpected<Stop> stop_for(const Error& error) {
    return stop(ExitStatus::hardware, error.text);
}

Started<void> open_table_memory(Machine& machine, const config::TableMemory& wanted) {
    const std::uint64_t bytes = wanted.bytes != 0 ? wanted.bytes : usual_table_bytes;
    auto memory = machine.platform->table_memory(wanted.range, bytes);
    if (!memory) return stop_for(memory.error());
    auto arena = memory::Arena::open(*memory, machine.platform->boot_identity());
    if (!arena) return stop(ExitStatus::configuration, arena.error().text);
    machine.arena = std::move(*arena);
    return {};
}

// A table that cannot be trusted is the survey's to report; here it only means that there are no windows.
std::vector<platform::EcamWindow> windows_of(const std::vector<platform::RawTable>& tables) {
    std::vector<platform::EcamWindow> windows;
    for (const platform::RawTable& table : tables) {
        if (table.name != "MCFG") continue;
        const auto mcfg = firmware::parse_mcfg(table.bytes);
        if (!mcfg) continue;
        for (const firmware::ConfigWindow& window : mcfg->windows)
            windows.push_back({window.base.value, window.segment, window.first_bus, window.last_bus});
    }
    return windows;
}

Started<void> look_at_pci(Machine& machine, const std::vector<platform::RawTable>& tables) {
    const auto windows = windows_of(tables);
    auto config = machine.platform->pci_config(windows);
    if (!config) return stop_for(config.error());
    machine.pci_config = std::move(*config);
    auto tree = pci::enumerate(*machine.pci_config, windows);
    if (!tree) return stop_for(tree.error());
    machine.pci = std::move(*tree);
    pci::gate(*machine.pci_config, machine.pci);
    return {};
}

// Units that firmware or configuration names but where nothing answers: all ones, as on an empty bus.
std::vector<PhysAddr> silent_units(platform::Platform& platform, const topology::Topology& topology) {
    std::vector<PhysAddr> silent;
    for (const topology::Unit& unit : topology.units) {
        const auto registers = platform.registers(unit.registers);
        if (!registers || (*registers)->read32(0) == ~std::uint32_t{0}) silent.push_back(unit.registers.first);
    }
    return silent;
}

}  // namespace

Started<Machine> discover(const config::Configuration& configuration) {
    Machine machine;
    auto platform = open_platform(configuration.platform.value);
    if (!platform) return stop_for(platform.error());
    machine.platform = std::move(*platform);
    if (auto opened = open_table_memory(machine, configuration.tables.value); !opened)
        return std::unexpected(opened.error());

    const auto tables = machine.platform->firmware_tables();
    if (!tables) return stop_for(tables.error());
    if (auto looked = look_at_pci(machine, *tables); !looked) return std::unexpected(looked.error());

    survey::Input input{.tables = {},
                        .pci = machine.pci,
                        .configuration = configuration,
                        .ram = machine.platform->ram(),
                        .table_memory = {machine.arena->range()},
                        .register_windows = {},
                        .silent_units = {}};
    for (const platform::RawTable& table : *tables) input.tables.push_back({table.name, table.bytes});
    machine.topology = survey::survey(input);
    input.silent_units = silent_units(*machine.platform, machine.topology);
    if (!input.silent_units.empty()) machine.topology = survey::survey(input);
    return machine;
}

}  // namespace smmu::daemon

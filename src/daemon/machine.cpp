// SPDX-License-Identifier: Apache-2.0
#include "daemon/machine.hpp"

#include <fmt/format.h>

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

Started<memory::TableMemory> table_memory(platform::Platform& platform, const config::TableMemory& wanted) {
    auto memory = platform.table_memory(wanted.range, wanted.bytes != 0 ? wanted.bytes : usual_table_bytes);
    if (!memory) return stop_for(memory.error());
    return *memory;
}

// Tables that some unit walks now must not lie where new ones will be written, unless they are an earlier instance's, which
// the arena knows how to leave alone.
Started<std::unique_ptr<memory::Arena>> open_arena(const memory::TableMemory& memory, memory::BootIdentity boot,
                                                   const std::vector<UnitLook>& looks) {
    const auto not_contained = [](const std::string& text) {
        return stop(ExitStatus::not_contained, "NOT CONTAINED by this start: " + text);
    };
    const auto continued = memory::Arena::would_continue(memory, boot);
    if (!continued) return not_contained(continued.error().text);
    for (const UnitLook& look : looks)
        if (!*continued && look.tables && memory.range.contains(*look.tables))
            return not_contained(fmt::format("a unit is translating with tables at {:#x}, inside the table memory; start with "
                                             "`tables` as it was, or reset the machine", look.tables->value));
    auto arena = memory::Arena::open(memory, boot);
    if (!arena) return not_contained(arena.error().text);
    return std::move(*arena);
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

// Tells the survey what the units say of themselves. One that cannot be looked at is not silent: opening it will say why.
std::vector<UnitLook> look_at_units(platform::Platform& platform, const topology::Topology& topology,
                                    survey::Input& input) {
    std::vector<UnitLook> looks;
    for (const topology::Unit& unit : topology.units) {
        const auto look = look_at_unit(unit, platform);
        if (!look) continue;
        if (!look->answers) input.silent_units.push_back(unit.registers.first);
        if (look->register_bytes != 0) input.register_windows.push_back({unit.registers.first, look->register_bytes});
        looks.push_back(*look);
    }
    return looks;
}

Started<void> check_configuration(const topology::Topology& topology) {
    std::string errors;
    for (const topology::Finding& finding : topology.findings)
        if (finding.in_configuration && finding.severity == topology::Severity::error)
            errors += fmt::format("\n  {}: {}", finding.origin.text, finding.text);
    if (errors.empty()) return {};
    return stop(ExitStatus::configuration,
                fmt::format("NOT CONTAINED: {} units were left as found, because of the configuration:{}",
                            topology.units.size(), errors));
}

}  // namespace

Started<Machine> discover(const config::Configuration& configuration) {
    Machine machine;
    auto platform = open_platform(configuration.platform.value);
    if (!platform) return stop_for(platform.error());
    machine.platform = std::move(*platform);
    const auto memory = table_memory(*machine.platform, configuration.tables.value);
    if (!memory) return std::unexpected(memory.error());

    const auto tables = machine.platform->firmware_tables();
    if (!tables) return stop_for(tables.error());
    if (auto looked = look_at_pci(machine, *tables); !looked) return std::unexpected(looked.error());

    survey::Input input{.tables = {},
                        .pci = machine.pci,
                        .configuration = configuration,
                        .ram = machine.platform->ram(),
                        .table_memory = {memory->range},
                        .register_windows = {},
                        .silent_units = {}};
    for (const platform::RawTable& table : *tables) input.tables.push_back({table.name, table.bytes});
    machine.topology = survey::survey(input);
    const auto looks = look_at_units(*machine.platform, machine.topology, input);
    machine.topology = survey::survey(input);
    if (auto checked = check_configuration(machine.topology); !checked) return std::unexpected(checked.error());
    auto arena = open_arena(*memory, machine.platform->boot_identity(), looks);
    if (!arena) return std::unexpected(arena.error());
    machine.arena = std::move(*arena);
    return machine;
}

}  // namespace smmu::daemon

// SPDX-License-Identifier: Apache-2.0
#include "daemon/machine.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "daemon/registry.hpp"
#include "firmware/mcfg.hpp"
#include "pci/enumerate.hpp"
#include "pci/gate.hpp"
#include "platform/table_folder.hpp"

namespace smmu::daemon {

namespace {

std::unexpected<Stop> stop_for(const Error& error) {
    return stop(ExitStatus::hardware, error.text);
}

Started<memory::TableMemory> table_memory_of(platform::Platform& platform, const config::Setting<config::TableMemory>& said) {
    const config::TableMemory& wanted = said.value;
    auto memory = platform.table_memory(wanted.range, table_bytes(wanted));
    if (memory) return *memory;
    const bool about_the_words = memory.error().code == EINVAL || memory.error().code == ENOMEM;
    if (!said.origin || !about_the_words) return stop_for(memory.error());
    return stop(ExitStatus::configuration,
                fmt::format("NOT CONTAINED: every unit was left as found: {}: {}", said.origin->text, memory.error().text));
}

// Before anything is made or looked at: a unit that a driver of the host's kernel has stays as it is.
Started<void> check_given_up(const config::Configuration& configuration, const Machine& machine) {
    if (machine.kernel_keeps_units) return {};
    for (const topology::Unit& unit : machine.topology.units) {
        if (configuration.accepts_uncontained(unit.registers.first)) continue;
        if (const auto given_up = machine.platform->check_given_up(unit.registers); !given_up)
            return stop(ExitStatus::hardware, left_as_found(machine.topology.units.size()) + ": " + given_up.error().text);
    }
    return {};
}

bool out_of_reach(const Error& why) { return why.code == EPERM || why.code == EACCES || why.code == ENOENT; }

// A unit that the host's kernel drives, or whose registers nobody lets us at: nothing is touched before that is changed, or its
// staying so is accepted.
Started<void> check_owners(const config::Configuration& configuration, const Machine& machine) {
    for (const UnreadUnit& unit : machine.unread_units)
        if (out_of_reach(unit.why) && !configuration.accepts_uncontained(unit.base))
            return stop(ExitStatus::hardware, left_as_found(machine.topology.units.size()) + ": " + unit.why.text);
    return {};
}

// What the host's kernel uses would stop working: its disk first of all.
Started<void> check_host_devices(const config::Configuration& configuration, const Machine& machine) {
    const auto refused = machine.refused_host_devices(configuration);
    if (refused.empty()) return {};
    return stop(ExitStatus::configuration, left_as_found(machine.topology.units.size()) +
                                               ", because devices that this machine uses itself would be refused:" +
                                               host_devices_text(refused));
}

Started<void> check_trial(const config::Configuration& configuration, const Machine& machine) {
    if (configuration.trial.value.count() == 0 || machine.walked_tables.empty()) return {};
    return stop(ExitStatus::configuration, "NOT CONTAINED by this start: a unit is translating already, which a trial could not "
                                           "take back; leave `trial` out");
}

// Tables that some unit walks now must not lie where new ones will be written, unless they are an earlier instance's, which
// the arena knows how to leave alone.
Started<std::unique_ptr<memory::Arena>> open_arena(const Machine& machine) {
    const auto not_contained = [](const std::string& text) {
        return stop(ExitStatus::not_contained, "NOT CONTAINED by this start: " + text);
    };
    const memory::TableMemory& memory = *machine.table_memory;
    const memory::BootIdentity boot = machine.platform->boot_identity();
    const auto continued = memory::Arena::would_continue(memory, boot);
    if (!continued) return not_contained(continued.error().text);
    for (const PhysAddr tables : machine.walked_tables)
        if (!*continued && memory.range.contains(tables))
            return not_contained(fmt::format("a unit is translating with tables at {:#x}, inside the table memory; start with "
                                             "`tables` as it was, or reset the machine", tables.value));
    auto arena = memory::Arena::open(memory, boot);
    if (!arena) return not_contained(arena.error().text);
    return std::move(*arena);
}

Started<void> look_at_pci(Machine& machine) {
    const auto windows = machine.config_windows();
    if (!machine.pci_config) {
        auto config = machine.platform->pci_config(windows);
        if (!config) return stop_for(config.error());
        machine.pci_config = std::move(*config);
    }
    auto tree = pci::enumerate(*machine.pci_config, windows);
    if (!tree) return stop_for(tree.error());
    machine.pci = std::move(*tree);
    return {};
}

// What the units say of themselves. One that cannot be looked at is not silent: opening it will say why.
void look_at_units(Machine& machine) {
    for (const topology::Unit& unit : machine.topology.units) {
        const auto look = look_at_unit(unit, *machine.platform);
        if (!look) {
            machine.unread_units.push_back({unit.registers.first, look.error()});
            continue;
        }
        if (!look->answers) machine.silent_units.push_back(unit.registers.first);
        if (look->register_bytes != 0) machine.register_windows.push_back({unit.registers.first, look->register_bytes});
        for (const PhysRange& range : look->also_protected) machine.further_registers.push_back(range);
        if (look->tables) machine.walked_tables.push_back(*look->tables);
    }
}

Started<void> read_tables(Machine& machine, const std::optional<std::string>& folder) {
    auto tables = folder ? platform::read_table_folder(*folder) : machine.platform->firmware_tables();
    if (!tables) return stop(folder ? ExitStatus::configuration : ExitStatus::hardware, tables.error().text);
    machine.tables = std::move(*tables);
    return {};
}

std::vector<survey::KernelGroup> groups_to_survey(const platform::Platform& platform) {
    std::vector<survey::KernelGroup> groups;
    for (const platform::KernelGroup& group : platform.kernel_groups()) {
        survey::KernelGroup& made = groups.emplace_back(group.number, std::vector<topology::PciAddress>());
        for (const auto& [function, driver] : group.members)
            made.members.push_back({function.segment, function.bus, std::uint8_t(function.devfn >> 3), std::uint8_t(function.devfn & 7)});
    }
    return groups;
}

// Everything that is known without a register. Which units there are says where to look how they answer, which completes the
// topology afterwards.
Started<void> look_without_registers(Machine& machine, const config::Configuration& configuration,
                                     const std::optional<std::string>& tables_folder) {
    auto platform = open_platform(configuration.platform.value);
    if (!platform) return stop_for(platform.error());
    machine.platform = std::move(*platform);
    machine.kernel_keeps_units = configuration.kernel_keeps_units();
    if (auto read = read_tables(machine, tables_folder); !read) return read;
    if (auto looked = look_at_pci(machine); !looked) return looked;
    machine.topology = machine.survey(configuration);
    return {};
}

}  // namespace

std::vector<survey::Table> Machine::tables_to_survey() const {
    std::vector<survey::Table> views;
    for (const platform::RawTable& table : tables) views.push_back({table.name, table.bytes});
    return views;
}

topology::Topology Machine::survey(const config::Configuration& configuration) const {
    survey::Input input{.tables = tables_to_survey(),
                        .pci = pci,
                        .configuration = configuration,
                        .ram = platform->ram(),
                        .table_memory = {},
                        .register_windows = register_windows,
                        .silent_units = silent_units,
                        .further_registers = further_registers,
                        .kernel_groups = {}};
    if (configuration.kernel_keeps_units()) input.kernel_groups = groups_to_survey(*platform);
    if (table_memory) input.table_memory.push_back(table_memory->range);
    return survey::survey(input);
}

std::vector<HostDevice> Machine::refused_host_devices(const config::Configuration& configuration) const {
    if (kernel_keeps_units) return {};
    auto refused = daemon::refused_host_devices(platform->host_drivers(), pci, topology, configuration);
    std::ranges::move(daemon::refused_host_devices(platform->host_blocks(), topology, configuration), std::back_inserter(refused));
    return refused;
}

std::uint64_t table_bytes(const config::TableMemory& wanted) {
    constexpr std::uint64_t usual = std::uint64_t{32} << 20;  // room for the 4 KiB leaves of 16 GiB
    return wanted.bytes != 0 ? wanted.bytes : usual;
}

// A table that cannot be trusted is the survey's to report; here it only means that there are no windows.
std::vector<platform::EcamWindow> Machine::config_windows() const {
    std::vector<platform::EcamWindow> windows;
    for (const platform::RawTable& table : tables) {
        if (table.name != "MCFG") continue;
        const auto mcfg = firmware::parse_mcfg(table.bytes);
        if (!mcfg) continue;
        for (const firmware::ConfigWindow& window : mcfg->windows)
            windows.push_back({window.base.value, window.segment, window.first_bus, window.last_bus});
    }
    for (const firmware::ConfigWindow& window : survey::config_windows_of_device_tree(tables_to_survey()))
        windows.push_back({window.base.value, window.segment, window.first_bus, window.last_bus});
    return windows;
}

Started<void> Machine::look_at_pci_again() {
    if (auto looked = look_at_pci(*this); !looked) return looked;
    if (!kernel_keeps_units) pci::gate(*pci_config, pci);
    return {};
}

Started<memory::TableMemory> Machine::tables_for(const config::Configuration& configuration) {
    if (!kernel_keeps_units) return table_memory_of(*platform, configuration.tables);
    if (const auto held = platform->leave_units_to_kernel(); !held) return stop_for(held.error());
    no_tables = std::make_unique<NoTables>();
    return memory::TableMemory{{PhysAddr{0}, PhysAddr{sizeof no_tables->bytes - 1}}, no_tables->bytes};
}

std::string left_as_found(std::size_t units) {
    return fmt::format("NOT CONTAINED: {} {} left as found", units, units == 1 ? "unit was" : "units were");
}

std::string left_as_found(const config::Configuration& configuration, const std::optional<std::string>& tables_folder) {
    const auto machine = look_around(configuration, tables_folder);
    return machine ? left_as_found(machine->topology.units.size()) : "NOT CONTAINED: every unit was left as found";
}

Started<void> check_configuration(const topology::Topology& topology) {
    std::string errors;
    for (const topology::Finding& finding : topology.findings)
        if (finding.in_configuration && finding.severity == topology::Severity::error)
            errors += fmt::format("\n  {}: {}", finding.origin.text, finding.text);
    if (errors.empty()) return {};
    return stop(ExitStatus::configuration,
                left_as_found(topology.units.size()) + ", because of the configuration:" + errors);
}

Started<void> check_foreign_tables(const config::Configuration& configuration, const Machine& machine) {
    if (configuration.platform.value.board || configuration.takeover_foreign.value) return {};
    // What refuses everything by a page of zeros was left so by a safe state, and loses nothing whoever made it so.
    const auto is_known = [&](PhysAddr tables) {
        if (machine.table_memory && machine.table_memory->range.contains(tables)) return true;
        const auto zeros = machine.platform->zero_page();
        return zeros && tables == *zeros;
    };
    for (const PhysAddr tables : machine.walked_tables)
        if (!is_known(tables))
            return stop(ExitStatus::hardware,
                        left_as_found(machine.topology.units.size()) +
                            fmt::format(": a unit walks tables at {:#x} that somebody else made; end whoever drives it, or say `takeover "
                                        "foreign` to replace them", tables.value));
    return {};
}

Started<Machine> look_around(const config::Configuration& configuration, const std::optional<std::string>& tables_folder) {
    Machine machine;
    if (auto looked = look_without_registers(machine, configuration, tables_folder); !looked) return std::unexpected(looked.error());
    look_at_units(machine);
    machine.topology = machine.survey(configuration);
    return machine;
}

Started<Machine> discover(const config::Configuration& configuration, const std::optional<std::string>& tables_folder) {
    Machine machine;
    if (auto looked = look_without_registers(machine, configuration, tables_folder); !looked) return std::unexpected(looked.error());
    if (auto checked = check_given_up(configuration, machine); !checked) return std::unexpected(checked.error());
    const auto memory = machine.tables_for(configuration);
    if (!memory) return std::unexpected(memory.error());
    machine.table_memory = *memory;
    look_at_units(machine);
    machine.topology = machine.survey(configuration);
    // Nothing was written so far: what the user said wrong leaves the machine as it was found.
    if (auto checked = check_configuration(machine.topology); !checked) return std::unexpected(checked.error());
    if (auto checked = check_owners(configuration, machine); !checked) return std::unexpected(checked.error());
    if (auto checked = check_host_devices(configuration, machine); !checked) return std::unexpected(checked.error());
    if (auto checked = check_foreign_tables(configuration, machine); !checked) return std::unexpected(checked.error());
    if (auto checked = check_trial(configuration, machine); !checked) return std::unexpected(checked.error());
    if (auto looked = machine.look_at_pci_again(); !looked) return std::unexpected(looked.error());
    machine.topology = machine.survey(configuration);  // with access control as it is now
    auto arena = open_arena(machine);
    if (!arena) return std::unexpected(arena.error());
    machine.arena = std::move(*arena);
    return machine;
}

}  // namespace smmu::daemon

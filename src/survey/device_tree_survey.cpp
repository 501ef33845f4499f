// SPDX-License-Identifier: Apache-2.0
// What a device tree adds to the draft: units, platform devices, streams of PCI functions, doorbells, reserved memory.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "survey/draft.hpp"
#include "survey/requester_ids.hpp"

namespace smmu::survey {

using firmware::PciHost;
using firmware::TreeMaster;
using firmware::TreeUnit;
using topology::Device;
using topology::MmioBlock;
using topology::PciAddress;
using topology::Severity;
using topology::Stream;
using topology::UnitKind;

namespace {

constexpr std::size_t most_named_devices = 8;  // in one finding; more would not help anybody

bool goes_through(const TreeMaster& master, std::size_t unit) {
    return std::ranges::any_of(master.streams, [&](const auto& stream) { return stream.unit == unit; }) ||
           std::ranges::any_of(master.maps, [&](const auto& map) { return map.stream.unit == unit; });
}
bool goes_through(const PciHost& host, std::size_t unit) {
    return std::ranges::any_of(host.maps, [&](const auto& map) { return map.stream.unit == unit; });
}

// For a person; empty when there are none.
std::string listed(std::vector<std::string> paths) {
    const std::size_t more = paths.size() > most_named_devices ? paths.size() - most_named_devices : 0;
    paths.resize(paths.size() - more);
    const std::string text = fmt::format("{}", fmt::join(paths, ", "));
    return more == 0 ? text : fmt::format("{} and {} more", text, more);
}

// The enabled masters and host bridges behind a unit.
std::string behind(const firmware::DeviceTree& tree, std::size_t unit) {
    std::vector<std::string> paths;
    for (const TreeMaster& master : tree.masters)
        if (master.enabled && goes_through(master, unit)) paths.push_back(master.path);
    for (const PciHost& host : tree.hosts)
        if (host.enabled && goes_through(host, unit)) paths.push_back("PCI below " + host.path);
    return listed(std::move(paths));
}

// What a master or host bridge is in the topology.
Device block_of(topology::DeviceId id, const std::string& path, const std::string& compatible, const topology::Origin& origin) {
    Device device;
    device.id = std::move(id);
    device.description = path + (compatible.empty() ? "" : " " + compatible);
    device.origin = origin;
    return device;
}

}  // namespace

const Table* device_tree_of(const std::vector<Table>& tables) {
    const auto named = [&](std::string_view name) { return std::ranges::find(tables, name, &Table::name); };
    if (named("DMAR") != tables.end() || named("IORT") != tables.end()) return nullptr;
    const auto at = named("dtb");
    return at != tables.end() ? &*at : nullptr;
}

std::vector<firmware::ConfigWindow> config_windows_of_device_tree(const std::vector<Table>& tables) {
    std::vector<firmware::ConfigWindow> windows;
    const Table* const table = device_tree_of(tables);
    if (table == nullptr) return windows;
    if (const auto tree = firmware::parse_device_tree(table->bytes))
        for (const PciHost& host : tree->hosts)
            if (host.window) windows.push_back(*host.window);
    return windows;
}

void Draft::read_device_tree() {
    const Table* const table = device_tree_of(input_.tables);
    if (table == nullptr) return;
    if (std::ranges::count(input_.tables, "dtb", &Table::name) > 1)
        finding("dtb-several", Severity::error, {"dtb"},
                "There are several device trees, and only the first was read: units of the others would be left open. Start with "
                "--tables and a folder that holds the one of this machine.");
    auto tree = firmware::parse_device_tree(table->bytes);
    if (!tree) {
        finding("dtb-refused", Severity::error, {"dtb"}, tree.error().text + ". Describe units and devices by hand to start without it.");
        return;
    }
    std::ranges::move(std::exchange(tree->findings, {}), std::back_inserter(topology_.findings));
    tree_ = std::move(*tree);
    for (const PciHost& host : tree_->hosts)
        if (host.window) mcfg_.windows.push_back(*host.window);
    set_tree_memory_aside();
}

void Draft::add_tree_units() {
    if (!tree_) return;
    DeviceTreeUnits found = units_of(*tree_, UnitId(std::uint32_t(topology_.units.size())));
    for (topology::Unit& unit : found.units) {
        unit.registers = registers_at(unit.registers.first, unit.registers.length());
        topology_.units.push_back(std::move(unit));
    }
    tree_places_ = std::move(found.places);
    tree_streams_.emplace(*tree_, tree_places_);
    for (std::size_t i = 0; i < tree_->units.size(); ++i) report_tree_unit(i);
}

void Draft::report_tree_unit(std::size_t index) {
    const TreeUnit& unit = tree_->units[index];
    const std::string masters = behind(*tree_, index);
    if (masters.empty()) return;
    const auto& place = tree_places_[index];
    if (!unit.enabled)
        finding("dtb-unit-disabled", Severity::warning, unit.origin,
                fmt::format("The unit is not there for us (its status), but these stand behind it and cannot be contained: {}.", masters));
    else if (!place)
        finding("dtb-unit-out-of-reach", Severity::error, unit.origin,
                fmt::format("Where the unit's registers are, or those of its main unit, is not known; these stand behind it and are not "
                            "contained: {}. Describe it by hand with a unit line.", masters));
    else if (topology_.unit(place->unit).kind == UnitKind::unsupported)
        finding("dtb-unit-unsupported", Severity::warning, unit.origin,
                fmt::format("This build does not drive {}; these stand behind it and are not contained: {}.",
                            topology_.unit(place->unit).name, masters));
    if (unit.enabled && unit.stream_cells == 0)
        finding("dtb-unit-one-stream", Severity::note, unit.origin, fmt::format("The unit cannot tell these apart: {}.", masters));
}

// Of a machine with both, the tables count; but no unit that only the tree names is forgotten.
void Draft::report_unread_tree() {
    const auto table = std::ranges::find(input_.tables, "dtb", &Table::name);
    if (tree_ || table == input_.tables.end() || device_tree_of(input_.tables) != nullptr) return;
    finding("dtb-not-read", Severity::note, {"dtb"},
            "The machine has both ACPI tables that describe units (DMAR, IORT) and a device tree: the tables count. To have the tree "
            "count, start with --tables and a folder that holds the tree alone.");
    const auto tree = firmware::parse_device_tree(table->bytes);
    if (!tree) return;
    for (const topology::Unit& unit : units_of(*tree, UnitId(0)).units)
        if (std::ranges::none_of(topology_.units, [&](const auto& known) { return known.registers.first == unit.registers.first; }))
            finding("dtb-unit-not-in-tables", Severity::error, unit.origin,
                    fmt::format("Only the device tree names {}; the tables, which count, do not, so that it would be left open. Describe it "
                                "with a unit line.", unit.name));
}

// The registers name a master. Configuration may leave out their length, or know another one.
topology::DeviceId Draft::tree_device_id(const PhysRange& registers) const {
    const MmioBlock block{registers.first, registers.length()};
    if (user_.find_device(block) != nullptr) return block;
    for (const config::DeviceEntry& entry : user_.devices)
        if (const auto* named = std::get_if<MmioBlock>(&entry.id); named != nullptr && named->base == block.base) return entry.id;
    return block;
}

void Draft::add_tree_devices() {
    if (!tree_) return;
    for (const TreeMaster& master : tree_->masters) add_tree_master(master);
    for (const PciHost& host : tree_->hosts) add_tree_host(host);
    if (!nameless_.empty())
        finding("dtb-master-no-registers", Severity::note, {"dtb"},
                fmt::format("These have no registers to name them by; their streams stay blocked: {}.", listed(std::exchange(nameless_, {}))));
}

// A master whose status is off is listed where its streams would pass as long as nobody knows them.
void Draft::add_tree_master(const TreeMaster& master) {
    if (master.host) {
        const PciHost& host = tree_->hosts[*master.host];
        tree_devices_[master.path].push_back(
            PciAddress{host.segment, host.first_bus, std::uint8_t(master.devfn >> 3), std::uint8_t(master.devfn & 7)});
        return;
    }
    const bool opens = std::ranges::any_of(master.streams, [&](const auto& stream) { return opens_unknown_streams(stream.unit); });
    if (!master.enabled && !opens) return;
    if (!master.registers.empty()) {
        TreeBlock& block = add_tree_block(
            block_of(tree_device_id(master.registers.front()), master.path, master.compatible, master.origin), master.registers,
            tree_streams_->of_master(master));
        std::ranges::copy(master.msi_controllers, std::back_inserter(block.msi_controllers));
        Device& device = topology_.devices[block.device];
        device.interrupts_by_message = !block.msi_controllers.empty();
        tree_devices_[master.path].push_back(device.id);
    } else if (opens) {
        finding("dtb-master-open", Severity::error, master.origin,
                "A master has no registers to name it by, and its unit lets pass what nobody knows. Describe it with a device line.");
    } else {
        nameless_.push_back(master.path);
    }
}

// Streams of the unit pass while nobody knows them: of an IPMMU always, of an SMMUv2 where that was said.
bool Draft::opens_unknown_streams(std::size_t tree_unit) const {
    const auto& place = tree_places_[tree_unit];
    return tree_->units[tree_unit].kind == topology::UnitKind::ipmmu ||
           (place && topology_.unit(place->unit).unknown_streams_pass);
}

// Functions are found by way of configuration space. Below a bridge whose space is not to be read nobody knows them: what
// an SMMU does not know it refuses, what an IPMMU does not know passes, and then the bridge itself has all their streams.
void Draft::add_tree_host(const PciHost& host) {
    if (host.maps.empty() || (host.enabled && host.window)) return;
    if (host.enabled)
        finding("dtb-pci-unread", Severity::warning, host.origin,
                fmt::format("The configuration space of {} is not of the kind that this build reads, so that the functions below it are not "
                            "known and stay blocked. Name those that are used with device lines.", host.path));
    const bool opens = std::ranges::any_of(host.maps, [&](const auto& map) { return opens_unknown_streams(map.stream.unit); });
    if (!opens) return;
    if (host.registers.empty()) {
        finding("dtb-master-open", Severity::error, host.origin,
                "A host bridge has no registers to name it by, and its unit lets pass what nobody knows. Describe it with a device line.");
        return;
    }
    add_tree_block(block_of(tree_device_id(host.registers.front()), "PCI below " + host.path, host.compatible, host.origin), host.registers,
                   tree_streams_->of_all_below(host));
}

// Masters whose first registers are the same are one device; it is contained when all of them are.
Draft::TreeBlock& Draft::add_tree_block(Device block, const std::vector<PhysRange>& registers, std::vector<Stream> streams) {
    const auto [at, is_new] = tree_blocks_.try_emplace(block.id, TreeBlock{topology_.devices.size(), true, {}, {}});
    if (is_new) topology_.devices.push_back(std::move(block));
    TreeBlock& known = at->second;
    known.contained = known.contained && !streams.empty();
    std::ranges::move(streams, std::back_inserter(known.streams));
    std::ranges::copy(registers, std::back_inserter(topology_.devices[known.device].registers));
    return known;
}

std::vector<Stream> Draft::tree_streams(const Device& device) const {
    if (!tree_streams_) return {};
    if (const auto at = tree_blocks_.find(device.id); at != tree_blocks_.end())
        return at->second.contained ? each_once(at->second.streams) : std::vector<Stream>{};
    const auto* address = std::get_if<PciAddress>(&device.id);
    if (address == nullptr) return {};
    std::vector<Stream> streams;
    for (const RequesterId& id : requester_ids(input_.pci, *address)) {
        std::vector<Stream> of_id = tree_streams_->of_function(*address, id.id, id.origin.text);
        if (of_id.empty()) return {};  // some of its DMA goes around every unit
        std::ranges::move(of_id, std::back_inserter(streams));
    }
    return each_once(std::move(streams));
}

}  // namespace smmu::survey

// SPDX-License-Identifier: Apache-2.0
#include "cli/tree_listing.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "survey/device_tree_units.hpp"
#include "survey/driven.hpp"

namespace smmu::cli {
namespace {

using firmware::DeviceTree;
using firmware::PciHost;
using firmware::StreamMap;
using firmware::TreeMaster;
using firmware::TreeStream;
using firmware::TreeUnit;
using report::ListedDevice;
using report::ListedStream;
using report::TableListing;

constexpr std::uint32_t all_bits = 0xffffffff;

// A path where there are no registers to name it by.
std::string name_of(const TreeUnit& unit) { return unit.registers.empty() ? unit.path : survey::name_of_unit(unit); }

void list_unit(const TreeUnit& unit, TableListing& listing) {
    if (!unit.enabled || unit.registers.empty()) {
        listing.findings.push_back({"dtb-unit-not-listed", "note", unit.origin.text,
                                    unit.enabled ? "The unit has no registers that the processors reach; what stands behind it is not contained."
                                                 : "The unit is off (its status); what stands behind it is not contained."});
        return;
    }
    const topology::UnitKind kind = survey::kind_of(unit);
    listing.units.push_back({kind == topology::UnitKind::unsupported ? unit.family : std::string(topology::name(kind)),
                             unit.registers.front().first.value, unit.registers.front().length(), 0, survey::is_driven(kind), false,
                             unit.origin.text});
}

ListedStream listed(const DeviceTree& tree, const TreeStream& stream, std::uint32_t more = 0) {
    return {name_of(tree.units[stream.unit]), stream.id, stream.id + more, stream.mask};
}

topology::PciAddress address_of(const DeviceTree& tree, const TreeMaster& master) {
    const PciHost& host = tree.hosts[*master.host];
    return {host.segment, host.first_bus, std::uint8_t(master.devfn >> 3), std::uint8_t(master.devfn & 7)};
}

// As the service names it, if it does.
std::optional<std::string> id_of(const DeviceTree& tree, const TreeMaster& master) {
    if (master.host) return to_string(address_of(tree, master));
    if (master.registers.empty()) return std::nullopt;
    return to_string(topology::MmioBlock{master.registers.front().first, master.registers.front().length()});
}

void list_master(const DeviceTree& tree, const TreeMaster& master, TableListing& listing) {
    ListedDevice device{id_of(tree, master), master.path, !master.enabled ? "off" : master.host ? "function" : "platform", {},
                        master.origin.text};
    for (const TreeStream& stream : master.streams) device.streams.push_back(listed(tree, stream));
    for (const StreamMap& map : master.maps) device.streams.push_back(listed(tree, map.stream, map.last - map.first));
    listing.devices.push_back(std::move(device));
}

// A line for each entry of a map: which function has an id is known to the machine only.
void list_host(const DeviceTree& tree, const PciHost& host, TableListing& listing) {
    if (!host.enabled) return;
    const std::string mask = host.map_mask == all_bits ? "" : fmt::format(" of ids under {:04x}", host.map_mask);
    for (const StreamMap& map : host.maps)
        listing.devices.push_back({std::nullopt, fmt::format("{:04x}:{:04x}-{:04x}{}", host.segment, map.first, map.last, mask), "requesters",
                                   {listed(tree, map.stream, map.last - map.first)}, host.origin.text});
    if (host.window)
        listing.windows.push_back({host.window->segment, host.window->first_bus, host.window->last_bus, host.window->base.value,
                                   host.window->origin.text});
}

std::string device_named(const DeviceTree& tree, const std::string& path) {
    const auto master = std::ranges::find(tree.masters, path, &TreeMaster::path);
    return master != tree.masters.end() ? id_of(tree, *master).value_or(path) : path;
}

void list_reserved(const DeviceTree& tree, const firmware::ReservedRegion& region, TableListing& listing) {
    std::vector<std::string> devices;
    for (const firmware::DeviceAddresses& addresses : region.addresses) devices.push_back(device_named(tree, addresses.device));
    if (devices.empty() || !region.enabled) return;
    for (const PhysRange& range : region.ranges)
        listing.reserved.push_back({range.first.value, range.last.value, devices, region.origin.text});
}

}  // namespace

void list_device_tree(const DeviceTree& tree, TableListing& listing) {
    for (const TreeUnit& unit : tree.units) list_unit(unit, listing);
    for (const TreeMaster& master : tree.masters) list_master(tree, master, listing);
    for (const PciHost& host : tree.hosts) list_host(tree, host, listing);
    for (const firmware::ReservedRegion& region : tree.reserved) list_reserved(tree, region, listing);
}

}  // namespace smmu::cli

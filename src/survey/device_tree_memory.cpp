// SPDX-License-Identifier: Apache-2.0
// Memory as a device tree speaks of it: what is set aside, protected, reserved for a device, and where messages go.
#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "base/interval_map.hpp"
#include "survey/device_tree_doorbells.hpp"
#include "survey/draft.hpp"
#include "survey/requester_ids.hpp"

namespace smmu::survey {

using firmware::PciHost;
using topology::Device;
using topology::PciAddress;
using topology::Severity;

namespace {

PhysRange at_same_address(const IovaRange& range) { return {PhysAddr{range.first.value}, PhysAddr{range.last.value}}; }

}  // namespace

// What the tree keeps for firmware or for one device is no plain memory, unless others may use it meanwhile.
void Draft::set_tree_memory_aside() {
    IntervalMap<PhysAddr, std::monostate> plain;
    for (const PhysRange& range : ram_) plain.assign(range, {});
    for (const PhysRange& range : tree_->reservations) plain.erase(range);
    for (const firmware::ReservedRegion& region : tree_->reserved)
        if (region.enabled && !region.reusable)
            for (const PhysRange& range : region.ranges) plain.erase(range);
    ram_.clear();
    for (const auto& piece : plain) ram_.push_back(piece.range);
}

void Draft::add_tree_protected() {
    if (!tree_) return;
    tree_doorbells_ = doorbells_of_controllers(*tree_, input_.ram, topology_.protected_memory);
    std::ranges::move(protected_by(*tree_), std::back_inserter(topology_.protected_memory));
}

// What iommu-addresses gives to devices.
void Draft::add_tree_memory() {
    if (!tree_) return;
    for (const Device& device : topology_.devices)
        if (const auto* address = std::get_if<PciAddress>(&device.id))
            if (const PciHost* host = tree_streams_->host_of(*address)) tree_devices_[host->path].push_back(device.id);
    for (const firmware::ReservedRegion& region : tree_->reserved)
        if (region.enabled)
            for (const firmware::DeviceAddresses& addresses : region.addresses) add_tree_region(region, addresses);
}

// Of devices that send messages, below whatever id they arrive.
void Draft::add_tree_doorbells() {
    if (!tree_) return;
    for (Device& device : topology_.devices) {
        if (!device.interrupts_by_message || device.streams.empty()) continue;
        if (const auto block = tree_blocks_.find(device.id); block != tree_blocks_.end())
            give_tree_doorbells(device, block->second.msi_controllers);
        const auto* address = std::get_if<PciAddress>(&device.id);
        const PciHost* host = address != nullptr ? tree_streams_->host_of(*address) : nullptr;
        if (host == nullptr) continue;
        for (const RequesterId& id : requester_ids(input_.pci, *address)) give_tree_doorbells(device, controllers_of(*host, id.id));
    }
}

void Draft::give_tree_doorbells(Device& device, const std::vector<std::size_t>& controllers) {
    for (const std::size_t controller : controllers) {
        const auto& bell = tree_doorbells_[controller];
        const bool has_it = std::ranges::any_of(device.grants, [&](const topology::Grant& grant) {
            return grant.kind == topology::Grant::Kind::doorbell && bell && grant.range == bell->range;
        });
        if (bell && !has_it && !meets_a_device(bell->range)) device.grants.push_back(*bell);
    }
}

// Grants of firmware are for memory at its own address.
void Draft::add_tree_region(const firmware::ReservedRegion& region, const firmware::DeviceAddresses& addresses) {
    const PhysRange same = at_same_address(addresses.range);
    if (region.ranges.empty()) {
        finding("dtb-address-hole", Severity::note, region.origin,
                fmt::format("{} cannot use the addresses {:#x}-{:#x}; what is granted there does not reach it.", addresses.device,
                            same.first.value, same.last.value));
        return;
    }
    if (std::ranges::none_of(region.ranges, [&](const PhysRange& range) { return range.contains(same); })) {
        finding("dtb-reserved-moved", Severity::warning, region.origin,
                fmt::format("{} is to reach this memory at {:#x}, which is not its own address; that stays blocked.", addresses.device,
                            same.first.value));
        return;
    }
    const auto of_it = tree_devices_.find(addresses.device);
    add_reserved_region(same, region.origin, [&](const Device& device) {
        return of_it != tree_devices_.end() && std::ranges::find(of_it->second, device.id) != of_it->second.end();
    });
}

}  // namespace smmu::survey

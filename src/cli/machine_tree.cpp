// SPDX-License-Identifier: Apache-2.0
#include "cli/machine_tree.hpp"

#include <map>
#include <utility>

#include "topology/device_id.hpp"

namespace smmu::cli {

namespace {

using topology::PciAddress;
using BusNumber = std::pair<std::uint16_t, std::uint32_t>;  // segment, bus

struct Buses {
    std::map<BusNumber, std::vector<const report::Device*>> on;
    std::map<BusNumber, const report::Device*> bridge_to;
};

// A bus is taken from the map when it is hung into the tree: whatever numbers the bridges claim, every device comes
// up once and this ends.
Node node_of(Buses& buses, const report::Device& device, std::uint16_t segment) {
    Node node{&device, {}};
    const auto bridge = buses.bridge_to.find({segment, device.secondary});
    if (device.secondary == 0 || bridge == buses.bridge_to.end() || bridge->second != &device) return node;
    const auto behind = buses.on.find({segment, device.secondary});
    if (behind == buses.on.end()) return node;
    const auto devices = std::move(behind->second);
    buses.on.erase(behind);
    for (const report::Device* below : devices) node.below.push_back(node_of(buses, *below, segment));
    return node;
}

}  // namespace

MachineTree machine_tree(const report::Status& status) {
    MachineTree tree;
    Buses buses;
    for (const report::Device& device : status.devices) {
        const auto id = topology::parse_device_id(device.id);
        const auto* known = std::get_if<topology::DeviceId>(&id);
        const auto* address = known != nullptr ? std::get_if<PciAddress>(known) : nullptr;
        if (address == nullptr) {
            tree.blocks.push_back(&device);
            continue;
        }
        buses.on[{address->segment, address->bus}].push_back(&device);
        // Buses behind a bridge have higher numbers than its own; anything else leads in circles.
        if (device.secondary > address->bus) buses.bridge_to.emplace(BusNumber{address->segment, device.secondary}, &device);
    }
    std::vector<BusNumber> roots;
    for (const auto& [number, devices] : buses.on)
        if (!buses.bridge_to.contains(number)) roots.push_back(number);
    for (const BusNumber& number : roots) {
        RootBus root{number.first, std::uint8_t(number.second), {}};
        for (const report::Device* device : buses.on[number])
            root.nodes.push_back(node_of(buses, *device, number.first));
        tree.buses.push_back(std::move(root));
    }
    return tree;
}

}  // namespace smmu::cli

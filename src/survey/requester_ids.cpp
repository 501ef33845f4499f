// SPDX-License-Identifier: Apache-2.0
#include "survey/requester_ids.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace smmu::survey {

using topology::PcieType;
using topology::PciFunction;

std::vector<RequesterId> requester_ids(const topology::PciTree& tree,
                                       const topology::PciAddress& address) {
    std::vector<RequesterId> ids;
    const auto add = [&](StreamId id, std::string origin) {
        if (std::ranges::find(ids, id, &RequesterId::id) == ids.end())
            ids.push_back({id, {std::move(origin)}});
    };
    // A bridge from PCI Express issues what it takes over as device 0 of its secondary bus, or
    // under its own id; a conventional bridge under its own id (PCI Express to PCI Bridge
    // Specification 1.0, 2.3; VT-d 5.10, 3.6.1).
    const auto taken_over_by = [&](const PciFunction& bridge) {
        if (!bridge.is_bridge) return;
        const std::string origin = fmt::format("alias of bridge {}", to_string(bridge.address));
        switch (bridge.type) {
            case PcieType::pcie_to_pci_bridge:
                add(bridge.address.requester_id(), origin);
                if (bridge.secondary != 0)
                    add(StreamId(std::uint32_t(bridge.secondary) << 8), origin);
                break;
            case PcieType::conventional:
            case PcieType::pci_to_pcie_bridge:
                add(bridge.address.requester_id(), origin);
                break;
            default:
                break;  // ports of PCI Express hand ids on as they are
        }
    };
    add(address.requester_id(), "PCI " + to_string(address));
    if (const PciFunction* self = tree.find(address)) taken_over_by(*self);
    const PciFunction* bridge = tree.bridge_of(address.segment, address.bus);
    while (bridge != nullptr) {
        taken_over_by(*bridge);
        bridge = tree.bridge_of(bridge->address.segment, bridge->address.bus);
    }
    return ids;
}

}  // namespace smmu::survey

// SPDX-License-Identifier: Apache-2.0
#include "survey/groups.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>

namespace smmu::survey {
namespace {

using topology::AccessControl;
using topology::PciAddress;
using topology::PcieType;
using topology::PciFunction;
using topology::PciTree;
using topology::Topology;

constexpr std::size_t most_reasons = 4;  // said for one group; more would not help anybody

std::uint16_t access_control(const PciTree& tree, const PciFunction& function) {
    return tree.gated ? function.access_control.enabled
                      : std::uint16_t(function.access_control.supported & AccessControl::wanted);
}

// What a port on the way up needs, so that nothing below it can turn towards a neighbour (PCIe
// Base 6.12).
bool isolates_below(const PciTree& tree, const PciFunction& port) {
    switch (port.type) {
        case PcieType::root_port:
        case PcieType::switch_downstream:
            return (access_control(tree, port) & AccessControl::isolating) ==
                   AccessControl::isolating;
        case PcieType::switch_upstream:
            // Requests turn inside the switch at a downstream port that lets them, towards any of
            // the others.
            return std::ranges::none_of(tree.functions, [&](const PciFunction& other) {
                return other.type == PcieType::switch_downstream && port.secondary != 0 &&
                       other.address.bus == port.secondary &&
                       other.address.segment == port.address.segment &&
                       !isolates_below(tree, other);
            });
        default:
            return false;  // bridges to and from PCI have shared buses below
    }
}

// A function of a device with several: it may reach its siblings unless it says that it redirects
// what it can.
bool isolates_siblings(const PciTree& tree, const PciFunction& function) {
    if (function.type == PcieType::conventional || function.type == PcieType::pcie_to_pci_bridge ||
        function.type == PcieType::pci_to_pcie_bridge || function.access_control.offset == 0)
        return false;
    if (function.is_port()) return isolates_below(tree, function);
    // An endpoint without a service has no such traffic; only what it has must be on.
    const auto needed = std::uint16_t(function.access_control.supported & AccessControl::isolating);
    return (access_control(tree, function) & needed) == needed;
}

class Grouping {
public:
    Grouping(Topology& topology, const PciTree& tree)
        : topology_(topology),
          tree_(tree),
          root_(topology.devices.size()),
          reasons_(topology.devices.size()) {
        std::iota(root_.begin(), root_.end(), std::size_t{0});
        for (std::size_t i = 0; i < topology.devices.size(); ++i)
            if (const auto* address = std::get_if<PciAddress>(&topology.devices[i].id))
                index_.emplace(*address, i);
    }

    void join_shared_streams();
    void join_by_ports();
    void join_functions();
    void write();

private:
    std::size_t root_of(std::size_t i) {
        while (root_[i] != i) i = root_[i] = root_[root_[i]];
        return i;
    }
    void join(std::size_t a, std::size_t b, const std::string& reason) {
        a = root_of(a);
        b = root_of(b);
        if (a != b) {
            root_[std::max(a, b)] = std::min(a, b);
            reasons_[std::min(a, b)].merge(reasons_[std::max(a, b)]);
        }
        reasons_[std::min(a, b)].insert(reason);
    }
    std::optional<std::size_t> index_of(const PciAddress& address) const {
        const auto at = index_.find(address);
        return at != index_.end() ? std::optional(at->second) : std::nullopt;
    }
    // The first bridge from `bridge` to the root that lets requests turn; nothing when none does.
    const PciFunction* first_open(const PciFunction* bridge) const;

    Topology& topology_;
    const PciTree& tree_;
    std::vector<std::size_t> root_;
    std::vector<std::set<std::string>> reasons_;
    std::map<PciAddress, std::size_t> index_;
};

void Grouping::join_shared_streams() {
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::size_t> first_with;
    for (std::size_t i = 0; i < topology_.devices.size(); ++i)
        for (const topology::Stream& stream : topology_.devices[i].streams) {
            const auto [at, is_new] =
                first_with.emplace(std::pair(raw(stream.unit), raw(stream.id)), i);
            if (!is_new)
                join(at->second, i,
                     "share " + stream_text(topology_.unit(stream.unit), stream.id));
        }
}

const PciFunction* Grouping::first_open(const PciFunction* bridge) const {
    while (bridge != nullptr) {
        if (!isolates_below(tree_, *bridge)) return bridge;
        bridge = tree_.bridge_of(bridge->address.segment, bridge->address.bus);
    }
    return nullptr;
}

void Grouping::join_by_ports() {
    for (const auto& [address, index] : index_) {
        const PciFunction* above = tree_.bridge_of(address.segment, address.bus);
        if (above == nullptr) continue;
        const PciFunction* open = first_open(above);
        const auto above_index = index_of(above->address);
        if (open != nullptr && above_index)
            join(index, *above_index,
                 fmt::format("below {}, which has no full access control",
                             to_string(open->address)));
    }
}

void Grouping::join_functions() {
    std::map<PciAddress, std::size_t> first_open_function;  // by the address of function 0
    for (const PciFunction& function : tree_.functions) {
        const auto index = index_of(function.address);
        if (!index || isolates_siblings(tree_, function)) continue;
        PciAddress slot = function.address;
        slot.function = 0;
        if (function.alternative_routing) slot.device = 0;
        const auto [at, is_new] = first_open_function.emplace(slot, *index);
        if (!is_new)
            join(at->second, *index,
                 fmt::format("functions of one device, {}, without access control",
                             to_string(slot)));
    }
}

void Grouping::write() {
    std::map<std::size_t, GroupId> group_of;
    for (std::size_t i = 0; i < topology_.devices.size(); ++i) {
        const std::size_t root = root_of(i);
        const auto [at, is_new] =
            group_of.emplace(root, GroupId(std::uint32_t(topology_.groups.size())));
        if (is_new) {
            topology::Group group;
            std::size_t said = 0;
            for (const std::string& reason : reasons_[root]) {
                if (++said > most_reasons) break;
                if (said > 1) group.reason += "; ";
                group.reason += reason;
            }
            topology_.groups.push_back(std::move(group));
        }
        topology_.devices[i].group = at->second;
        topology_.groups[raw(at->second)].devices.push_back(DeviceIndex(std::uint32_t(i)));
    }
}

}  // namespace

void form_groups(Topology& topology, const PciTree& tree) {
    Grouping grouping(topology, tree);
    grouping.join_shared_streams();
    grouping.join_by_ports();
    grouping.join_functions();
    grouping.write();
}

}  // namespace smmu::survey

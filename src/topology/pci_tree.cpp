// SPDX-License-Identifier: Apache-2.0
#include "topology/pci_tree.hpp"

#include <algorithm>

namespace smmu::topology {

const PciFunction* PciTree::find(const PciAddress& address) const {
    const auto at = std::ranges::lower_bound(functions, address, {}, &PciFunction::address);
    return at != functions.end() && at->address == address ? &*at : nullptr;
}

const PciFunction* PciTree::bridge_of(std::uint16_t segment, std::uint8_t bus) const {
    const auto leads_here = [&](const PciFunction& function) {
        return function.leads_to(segment, bus) && function.secondary == bus &&
               function.address.bus < bus;
    };
    const auto at = std::ranges::find_if(functions, leads_here);
    return at != functions.end() ? &*at : nullptr;
}

}  // namespace smmu::topology

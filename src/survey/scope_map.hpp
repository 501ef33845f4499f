// SPDX-License-Identifier: Apache-2.0
// ScopeMap: which VT-d unit a PCI function goes through (VT-d 5.10, 8.3).
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "firmware/dmar.hpp"
#include "topology/pci_tree.hpp"
#include "topology/topology.hpp"

namespace smmu::survey {

// The function that a scope names, found along its path; it need not be there itself. Nothing when
// a bridge on the way is missing.
std::optional<topology::PciAddress> resolve(const topology::PciTree& tree, std::uint16_t segment,
                                            const firmware::DeviceScope& scope);

class ScopeMap {
public:
    // `units[i]` is the topology's unit of `dmar.units[i]`.
    ScopeMap(const topology::PciTree& tree, const firmware::Dmar& dmar,
             const std::vector<UnitId>& units, std::vector<topology::Finding>& findings);

    struct Match {
        UnitId unit;
        topology::Origin origin;
    };
    // The unit that names the function, else the one that names the nearest bridge above it, else
    // the one that takes the rest of the segment.
    std::optional<Match> unit_of(const topology::PciAddress& address) const;

private:
    struct Named {
        UnitId unit;
        bool with_all_below;
        topology::Origin origin;
    };
    void add_scope(const firmware::Drhd& drhd, const firmware::DeviceScope& scope, UnitId unit,
                   std::vector<topology::Finding>& findings);
    void add_rest(const firmware::Drhd& drhd, UnitId unit,
                  std::vector<topology::Finding>& findings);

    const topology::PciTree& tree_;
    std::map<topology::PciAddress, Named> named_;
    std::map<std::uint16_t, Match> rest_;  // by segment
};

}  // namespace smmu::survey

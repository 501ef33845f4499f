// SPDX-License-Identifier: Apache-2.0
// Driven: which kinds of units this build can program. Others are found, named and reported.
#pragma once

#include "topology/pci_tree.hpp"
#include "topology/topology.hpp"

namespace smmu::survey {

constexpr bool is_driven(topology::UnitKind kind) {
    using enum topology::UnitKind;
    return kind == vtd || kind == smmuv3 || kind == smmuv2 || kind == ipmmu || kind == vfio;
}

// Kinds whose streams are the requester ids of PCI functions, unless a number says otherwise.
constexpr bool knows_requesters(topology::UnitKind kind) {
    using enum topology::UnitKind;
    return kind == vtd || kind == amdvi || kind == riscv || kind == virtio;
}

// Bridges, ports and the pieces of a chipset (base class 06): no driver asks them for DMA.
inline bool does_no_dma(const topology::PciFunction& function) {
    return function.is_bridge || (function.class_code >> 16) == 0x06;
}

}  // namespace smmu::survey

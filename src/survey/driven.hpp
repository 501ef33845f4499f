// SPDX-License-Identifier: Apache-2.0
// Driven: which kinds of units this build can program. Others are found, named and reported.
#pragma once

#include "topology/topology.hpp"

namespace smmu::survey {

constexpr bool is_driven(topology::UnitKind kind) {
    return kind == topology::UnitKind::vtd || kind == topology::UnitKind::smmuv3;
}

// Kinds whose streams are the requester ids of PCI functions, unless a number says otherwise.
constexpr bool knows_requesters(topology::UnitKind kind) {
    using enum topology::UnitKind;
    return kind == vtd || kind == amdvi || kind == riscv || kind == virtio;
}

}  // namespace smmu::survey

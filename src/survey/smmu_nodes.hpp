// SPDX-License-Identifier: Apache-2.0
// What a node of an IORT is called and how it is measured: the same for a survey and for a listing of the table.
#pragma once

#include <fmt/format.h>

#include <optional>
#include <string>

#include "firmware/iort.hpp"
#include "topology/topology.hpp"

namespace smmu::survey {

// Nothing for nodes that are no SMMU.
inline std::optional<topology::UnitKind> kind_of(const firmware::IortNode& node) {
    if (node.kind == firmware::IortKind::smmu_v3) return topology::UnitKind::smmuv3;
    if (node.kind == firmware::IortKind::smmu_v1_v2) return topology::UnitKind::smmuv2;
    return std::nullopt;
}

// Of an SMMU: "smmuv3@9050000".
inline std::string name_of_unit(const firmware::IortNode& node) {
    return fmt::format("{}@{:x}", topology::name(*kind_of(node)), node.base.value);
}

// Of an SMMU, until it is asked itself; 0: the table does not say.
inline std::uint64_t register_bytes(const firmware::IortNode& node) {
    constexpr std::uint64_t smmuv3_register_bytes = 0x20000;  // Arm IHI 0070, 6.1
    return node.kind == firmware::IortKind::smmu_v3 ? smmuv3_register_bytes : node.register_bytes;
}

// Of a component: its path, or its place in the table where that is no name.
inline topology::AcpiName name_of_component(const firmware::IortNode& node) {
    return {node.path.empty() ? node.origin.text : node.path};
}

}  // namespace smmu::survey

// SPDX-License-Identifier: Apache-2.0
#include "topology/topology.hpp"

namespace smmu::topology {

std::string_view name(UnitKind kind) {
    switch (kind) {
        case UnitKind::vtd:
            return "vtd";
        case UnitKind::smmuv3:
            return "smmuv3";
        case UnitKind::smmuv2:
            return "smmuv2";
        case UnitKind::ipmmu:
            return "ipmmu";
        case UnitKind::amdvi:
            return "amdvi";
        case UnitKind::riscv:
            return "riscv";
        case UnitKind::virtio:
            return "virtio";
        case UnitKind::unsupported:
            break;
    }
    return "unsupported";
}

}  // namespace smmu::topology

// SPDX-License-Identifier: Apache-2.0
#include "topology/topology.hpp"

#include <fmt/format.h>

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
        case UnitKind::vfio:
            return "vfio";
        case UnitKind::unsupported:
            break;
    }
    return "unsupported";
}

std::string_view name(Severity severity) {
    switch (severity) {
        case Severity::note: return "note";
        case Severity::warning: return "warning";
        case Severity::error: return "error";
    }
    return "";
}

StreamName stream_name(const Unit& unit, StreamId stream) {
    const std::size_t cache = cache_of(stream);
    if (unit.kind != UnitKind::ipmmu || cache >= unit.caches.size()) return {unit.name, raw(stream)};
    return {unit.caches[cache].name, micro_tlb_number(stream)};
}

std::string stream_text(const Unit& unit, StreamId stream) {
    const StreamName name = stream_name(unit, stream);
    return unit.kind == UnitKind::ipmmu ? fmt::format("micro-TLB {} of {}", name.number, name.unit)
                                        : fmt::format("stream {:#x} of {}", name.number, name.unit);
}

}  // namespace smmu::topology

// SPDX-License-Identifier: Apache-2.0
#include "tests/models/vtd/model/features.hpp"

namespace smmu::model::vtd {
namespace {

constexpr std::uint64_t field(std::uint64_t value, unsigned shift) {
    return value << shift;
}

}  // namespace

std::uint64_t Features::cap() const {
    return field((domain_bits - 4) / 2, 0) | field(write_buffer, 4) | field(low_protected, 5) |
           field(high_protected, 6) | field(caching_mode, 7) | field(sagaw, 8) |
           field(mgaw - 1, 16) | field(fault_offset / 16, 24) | field(large_pages, 34) |
           field(page_selective, 39) | field(fault_registers - 1, 40) | field(mamv, 48) |
           field(drains, 54) | field(drains, 55) | field(first_stage_1g, 56) |
           field(first_stage_5, 60) | field(sirtp_invalidates, 62) | field(srtp_invalidates, 63);
}

std::uint64_t Features::ecap() const {
    return field(coherent, 0) | field(queued, 1) | field(device_tlb, 2) |
           field(interrupt_remapping, 3) | field(x2apic, 4) | field(pass_through, 6) |
           field(snoop_control, 7) | field(iotlb_offset / 16, 8) |
           field(interrupt_remapping ? 0xf : 0, 20) | field(nested, 26) |
           field(pasid_bits != 0 ? pasid_bits - 1 : 0, 35) | field(pasid_bits != 0, 40) |
           field(scalable, 43) | field(second_stage, 46) | field(first_stage, 47) |
           field(walk_snoop, 48) | field(rid_pasid, 49) | field(abort_mode, 52);
}

}  // namespace smmu::model::vtd

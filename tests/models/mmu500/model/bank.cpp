// SPDX-License-Identifier: Apache-2.0
#include "tests/models/mmu500/model/bank.hpp"

namespace smmu::model::mmu500 {
namespace {

std::uint32_t bit_of(Reason reason) {
    switch (reason) {
        case Reason::translation:
            return fsr::tf;
        case Reason::access_flag:
            return fsr::aff;
        case Reason::permission:
            return fsr::pf;
        case Reason::external:
            return fsr::ef;
        case Reason::address_size:
            return fsr::asf;
    }
    return fsr::tf;
}

}  // namespace

void Bank::record(const Fault& fault, const Request& request, unsigned for_bank, bool stalls) {
    if (has_fault()) {
        fsr |= fsr::multi;
        return;
    }
    fsr = bit_of(fault.reason) | fsr::format_aarch64 | (stalls ? fsr::ss : 0);
    fsynr0 = fault.level | (request.write ? fsynr0::wnr : 0) |
             (request.privileged ? fsynr0::pnu : 0) | (fault.in_walk ? fsynr0::ptwf : 0) |
             (fault.second ? for_bank << 16 : 0);
    far = request.address;
    ipafar = fault.ipa;
    cbfrsynra = request.stream;
}

}  // namespace smmu::model::mmu500

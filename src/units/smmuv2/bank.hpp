// SPDX-License-Identifier: Apache-2.0
// Bank: what a context bank holds while it translates for one address space. The tag of a space
// (VMID, and ASID in stage 1) follows from its bank, so what is cached of two spaces is never
// mistaken.
#pragma once

#include <optional>

#include "base/address.hpp"
#include "units/smmuv2/hardware.hpp"

namespace smmu::units::smmuv2 {

struct Bank {
    unsigned index = 0;
    PhysAddr root;
    friend bool operator==(const Bank&, const Bank&) = default;
};

// Tags begin with 1: number 0 is for what bypasses.
inline unsigned bank_of(std::uint16_t tag, const Features& features) {
    return features.first_bank + tag - 1;
}
inline std::uint16_t tag_of(unsigned bank, const Features& features) {
    return static_cast<std::uint16_t>(bank - features.first_bank + 1);
}

// No stream leads to the bank, and nothing is cached under its tag. EIO when it does not hold what is written: then it may be
// off, and no stream may ever lead there.
Result<void> switch_on(const Hardware& hardware, const Bank& bank) noexcept;
// No stream leads to it: a bank that is off passes everything.
void switch_off(const Hardware& hardware, unsigned bank) noexcept;
bool is_on(const Hardware& hardware, unsigned bank) noexcept;

// Of a bank that is on: nothing when one of its registers is not as this driver writes it.
std::optional<Bank> read_bank(const Hardware& hardware, unsigned bank) noexcept;

// No bank fetches translations ahead of use: MMU-500 may keep those when it is told to forget an
// address (errata 826419, 841119). False when secure software keeps one of them fetching.
bool stop_prefetching(const Hardware& hardware) noexcept;

}  // namespace smmu::units::smmuv2

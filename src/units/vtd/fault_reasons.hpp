// SPDX-License-Identifier: Apache-2.0
// FaultReason: what the code in a fault record means, in the manual's words and in containment's.
#pragma once

#include "units/unit.hpp"

namespace smmu::units::vtd {

struct FaultReason {
    std::uint8_t code;
    std::uint8_t stage;  // 0: not of a walk
    // "No permission" is not_mapped here: hardware says the same of a page that is not there and of
    // one that is there without the permission.
    Refusal::Reason reason;
    bool address_known;
    const char* text;
};

// A code this table does not know is described as such.
FaultReason fault_reason(std::uint8_t code);

}  // namespace smmu::units::vtd

// SPDX-License-Identifier: Apache-2.0
// Faults: what the unit recorded of refused accesses, decoded. There is one place for the whole
// unit and one for each bank; each holds the first fault, and that there were more.
#pragma once

#include <optional>

#include "units/smmuv2/hardware.hpp"

namespace smmu::units::smmuv2 {

struct Fault {
    std::optional<Refusal> refusal;
    bool several = false;  // others were not recorded
};

// Each empties its place, for the next fault. Nothing when it was empty, or when nothing answers
// any more.
std::optional<Fault> take_global_fault(const Hardware& hardware) noexcept;
std::optional<Fault> take_bank_fault(const Hardware& hardware, unsigned bank) noexcept;

}  // namespace smmu::units::smmuv2

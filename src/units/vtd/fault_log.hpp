// SPDX-License-Identifier: Apache-2.0
// FaultLog: the fault recording registers: a small circular file in which the unit keeps what it
// refused.
#pragma once

#include "units/unit.hpp"
#include "units/vtd/hardware.hpp"

namespace smmu::units::vtd {

class FaultLog {
public:
    // Records read by one call; a unit has up to 256.
    static constexpr unsigned records_per_call = 64;

    explicit FaultLog(Hardware& hardware) : hardware_(hardware) {}

    Drained drain(RefusalSink& sink) noexcept;
    // Forgets what was recorded before this instance was responsible.
    void discard() noexcept;

private:
    Hardware& hardware_;
};

}  // namespace smmu::units::vtd

// SPDX-License-Identifier: Apache-2.0
// Doorbells of an Arm board: where a device has to write for an interrupt, and whether that arrived, seen without a
// processor that takes interrupts. Set up by hand, from the specifications of the interrupt controllers.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.hpp"

struct machine;
struct machine_device;

namespace demo {

// What a device writes where, four bytes, and the interrupt that is pending then.
struct Doorbell {
    std::uint64_t address;
    std::uint32_t data, interrupt;
};

class InterruptController {
public:
    virtual ~InterruptController() = default;
    // A doorbell of that PCI function's own.
    virtual Doorbell doorbell(const machine_device& function) = 0;
    // Whether it was rung since the last look.
    virtual bool rang(const Doorbell& bell) = 0;
};

// A GICv3 with an ITS, or the message frame of a GICv2. `board` outlives it. ENOMEM: no memory for the tables of an ITS.
smmu::Result<std::unique_ptr<InterruptController>> interrupt_controller(machine* board, bool is_gicv2);

}  // namespace demo

// SPDX-License-Identifier: Apache-2.0
// open: from an address in a firmware table to a unit that can be taken over.
#pragma once

#include <memory>
#include <optional>

#include "platform/platform.hpp"
#include "units/unit.hpp"

namespace smmu::units::vtd {

// Discovery only: reads registers and takes four frames (six in scalable mode); nothing is written to the hardware.
// `registers` is what the table says; more is mapped where the unit's own registers say so. ENXIO
// when nothing answers, ENOTSUP when this driver cannot contain with the unit. The machine has
// physical addresses below 2^host_address_bits (DMAR's HAW).
Result<std::unique_ptr<IommuUnit>> open(platform::Platform& platform, PhysRange registers,
                                        memory::Arena& arena, memory::Account& tables, Clock& clock,
                                        unsigned host_address_bits = 52);

// What a unit says before anything is decided; registers are only read.
struct FirstLook {
    bool answers = true;                // false: all ones, as where nothing is
    std::uint64_t register_bytes = 0;   // how far its registers reach
    std::optional<PhysAddr> root;       // it is translating, with these tables
};
// The platform's error when the registers cannot be had, ENOTSUP when this driver makes nothing of the unit.
Result<FirstLook> look(platform::Platform& platform, PhysRange registers);

}  // namespace smmu::units::vtd

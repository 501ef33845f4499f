// SPDX-License-Identifier: Apache-2.0
// Gate: what is done to PCI functions before the service says READY, and to one of them when it
// changes hands.
#pragma once

#include "base/clock.hpp"
#include "base/result.hpp"
#include "platform/platform.hpp"
#include "topology/pci_tree.hpp"

namespace smmu::pci {

// How long a function may take for a reset (PCIe Base 6.6.2: 100 ms until it must answer again),
// with room for slow ones; and how long outstanding requests may keep a reset waiting.
inline constexpr Nanoseconds reset_time = std::chrono::milliseconds(100);
inline constexpr Nanoseconds reset_deadline = std::chrono::seconds(2);
inline constexpr Nanoseconds pending_deadline = std::chrono::milliseconds(800);

// Sets ACS on every function that has it, clears the enables of ATS, PRI and PASID, reads
// everything back into the tree and adds findings for what did not follow. Group building may then
// rely on the tree.
void gate(platform::PciConfig& config, topology::PciTree& tree);

// True when bus mastering reads back as off: the function issues no request any more.
bool bus_master_off(platform::PciConfig& config, const topology::PciAddress& address);

// Resets one function: by its PCI Express capability, else by Advanced Features. Bus mastering is
// turned off first and never turned on again here. ENOTSUP: it has neither. ENXIO: nothing answers.
// ETIMEDOUT: it did not come back.
Result<> function_reset(platform::PciConfig& config, Clock& clock,
                        const topology::PciAddress& address);

}  // namespace smmu::pci

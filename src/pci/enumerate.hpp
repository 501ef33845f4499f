// SPDX-License-Identifier: Apache-2.0
// Enumerate: which PCI functions there are and what they can do. Reads only: nothing is written, so
// that it may run beside drivers, in a check and before anything has been decided.
#pragma once

#include <span>

#include "base/result.hpp"
#include "platform/platform.hpp"
#include "topology/pci_tree.hpp"

namespace smmu::pci {

// More functions than this in one machine are not read; a finding says so.
inline constexpr std::size_t most_functions = 65536;

// Looks at every bus of every window; without windows at the 256 buses of segment 0. EINVAL when a
// window's buses are not in order. A machine without PCI gives an empty tree.
Result<topology::PciTree> enumerate(platform::PciConfig& config,
                                    std::span<const platform::EcamWindow> windows);

}  // namespace smmu::pci

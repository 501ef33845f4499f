// SPDX-License-Identifier: Apache-2.0
// PCI configuration space of a board: by the memory windows that firmware names, or by a PC's two
// ports.
#pragma once

#include <memory>
#include <span>

#include "link/client.hpp"
#include "platform/platform.hpp"

namespace smmu::platform::board {

// Without windows the ports are used, which reach segment 0 and the first 256 bytes of a function;
// all else reads as all ones.
std::unique_ptr<PciConfig> open_pci_config(std::shared_ptr<link::Client> client,
                                           std::span<const EcamWindow> windows);

}  // namespace smmu::platform::board

// SPDX-License-Identifier: Apache-2.0
// Firmware: the device tree of the modelled board.
#pragma once

#include <vector>

#include "link/machine.hpp"
#include "tests/models/rcar/model/facts.hpp"

namespace smmu::model::rcar {

// The tree ("dtb"), or nothing when the board has none.
std::vector<link::FirmwareTable> firmware_tables(const MachineFacts& facts);

}  // namespace smmu::model::rcar

// SPDX-License-Identifier: Apache-2.0
// ACPI tables as firmware left them in RAM: found from the root pointer, copied out, not
// interpreted.
#pragma once

#include <span>
#include <vector>

#include "base/result.hpp"
#include "link/machine.hpp"

namespace smmu::board {

// `ram` begins at physical address 0. ENOENT when there is no root pointer.
Result<std::vector<link::FirmwareTable>> read_acpi_tables(std::span<const std::byte> ram);

}  // namespace smmu::board

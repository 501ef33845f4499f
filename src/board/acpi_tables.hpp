// SPDX-License-Identifier: Apache-2.0
// ACPI tables as firmware left them in RAM: found from the root pointer, copied out, not
// interpreted.
#pragma once

#include <span>
#include <vector>

#include "base/range.hpp"
#include "base/result.hpp"
#include "link/machine.hpp"

namespace smmu::board {

// `ram` begins at physical address `base`; the root pointer lies on a 16-byte boundary in
// `root_area`. ENOENT when there is none.
Result<std::vector<link::FirmwareTable>> read_acpi_tables(std::span<const std::byte> ram,
                                                          PhysAddr base, PhysRange root_area);

}  // namespace smmu::board

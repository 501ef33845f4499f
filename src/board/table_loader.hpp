// SPDX-License-Identifier: Apache-2.0
// Table loader: QEMU's script that says how firmware puts ACPI tables into memory: which files go
// there, where they point to each other, which checksums are then due.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/range.hpp"
#include "base/result.hpp"

namespace smmu::board {

// A file of the script, as it is to lie in memory.
struct LoadedFile {
    std::string name;
    PhysAddr address;
    std::vector<std::byte> bytes;
};

using ReadFile = std::function<Result<std::vector<std::byte>>(const std::string& name)>;

// Places the files in `area` in the script's order, from its start. EILSEQ when the script says
// something that cannot be done, ENOSPC when the area is too small.
Result<std::vector<LoadedFile>> run_table_loader(std::span<const std::byte> script,
                                                 const ReadFile& read_file, PhysRange area);

}  // namespace smmu::board

// SPDX-License-Identifier: Apache-2.0
// TableFolder: firmware tables from files instead of a machine: dumps of other machines, tables to be tried.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "platform/platform.hpp"

namespace smmu::platform {

// No machine has as many tables that this service reads, nor as large ones.
inline constexpr std::size_t most_table_files = 256;
inline constexpr std::size_t largest_table_file = std::size_t{16} << 20;

// The bytes of one file. Errors name it; EFBIG beyond the limit above.
Result<std::vector<std::byte>> read_table_file(const std::string& path);

// Where Linux shows the tables of this machine: those of ACPI, or the device tree where there is no ACPI.
std::string own_table_folder();

// The tables of a folder, ascending by file name: raw ACPI tables named by their signature, with a number where there
// are several ("DMAR", "IORT2"), or "*.SIG.bin"; device trees "*.dtb" and "fdt". Other files are left alone. ENOENT when the
// folder is not there or holds none; EFBIG beyond the limits above.
Result<std::vector<RawTable>> read_table_folder(const std::string& path);

}  // namespace smmu::platform

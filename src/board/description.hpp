// SPDX-License-Identifier: Apache-2.0
// Description: which machine a board is; read from boards/qemu/NAME.json.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace smmu::board {

struct Description {
    enum class Kind : std::uint8_t { x86, arm };
    enum class Firmware : std::uint8_t { acpi, device_tree };

    std::string name;
    Kind machine = Kind::x86;
    Firmware firmware = Firmware::acpi;  // what it hands over; a PC has no device tree
    std::string qemu;                    // empty: the usual program for this kind
    std::string type;                    // QEMU's -machine; empty: the usual one of this kind
    std::uint64_t memory_mib = 256;
    std::vector<std::string> devices;    // each is one -device
    std::vector<std::string> arguments;  // anything else for QEMU's command line
    // Instead of what firmware says, by signature. No bytes: the table is left out.
    std::map<std::string, std::vector<std::byte>> replaced_tables;
    std::string log;  // empty: qemu.log in the run directory
};

// `name` is a file (it has a slash or ends in .json), or is looked for as NAME.json in the
// directory that SMMU_BOARDS names; without it in share/smmuman/boards beside the program's
// directory, then in the source tree that the program was built in.
Result<Description> load_description(std::string_view name);

// "hex:" and hexadecimal digits, or the path of a file; a relative one starts at `directory`.
Result<std::vector<std::byte>> table_bytes(const std::string& text, const std::string& directory);

}  // namespace smmu::board

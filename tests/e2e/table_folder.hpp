// SPDX-License-Identifier: Apache-2.0
// A folder for --tables: what a board's firmware says, but for one table.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/e2e/machine_room.hpp"

namespace smmu::test {

// The board's own tables, with `bytes` as the one that is called `replaced`.
inline Result<std::string> table_folder(MachineRoom& room, const std::string& replaced, const std::vector<std::byte>& bytes) {
    std::string folder = room.board().directory() + "/tables";
    std::filesystem::create_directory(folder);
    const auto write = [&](const std::string& name, const std::vector<std::byte>& table) {
        std::ofstream file(folder + "/" + name, std::ios::binary);
        for (const std::byte byte : table) file.put(char(byte));
    };
    SMMU_TRY(const auto own, room.link().firmware_tables());
    for (const link::FirmwareTable& table : own) write(table.name, table.bytes);
    write(replaced, bytes);
    return folder;
}

}  // namespace smmu::test

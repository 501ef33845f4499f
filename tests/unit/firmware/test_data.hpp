// SPDX-License-Identifier: Apache-2.0
// Test data: tables and their expectations under tests/data.
#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace smmu::test {

inline std::filesystem::path data_folder() {
    return std::filesystem::path(SMMU_SOURCE_DIR) / "tests/data";
}

inline std::string text_of(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// In a buffer of exactly the file's size, so that a sanitizer sees every read behind it.
inline std::vector<std::byte> bytes_of(const std::filesystem::path& path) {
    const std::string text = text_of(path);
    std::vector<std::byte> bytes;
    for (const char c : text) bytes.push_back(std::byte(static_cast<unsigned char>(c)));
    bytes.shrink_to_fit();
    return bytes;
}

// Files of one table kind, in order: "DMAR", "MCFG".
inline std::vector<std::filesystem::path> tables_of(const std::string& kind) {
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(data_folder() / "acpi"))
        if (entry.path().string().ends_with("." + kind + ".bin")) paths.push_back(entry.path());
    std::sort(paths.begin(), paths.end());
    return paths;
}

// Makes the bytes sum to zero again, in the checksum's byte.
inline void fix_checksum(std::vector<std::byte>& table) {
    table[9] = std::byte{0};
    unsigned sum = 0;
    for (const std::byte byte : table) sum += std::to_integer<unsigned>(byte);
    table[9] = std::byte(0x100 - (sum & 0xff));
}

}  // namespace smmu::test

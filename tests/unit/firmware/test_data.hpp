// SPDX-License-Identifier: Apache-2.0
// Test data: tables and their expectations under tests/data.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <sstream>
#include <string>
#include <vector>

#include "tests/unit/firmware/acpi_bytes.hpp"

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

// What an index of damaged files expects: "reject" (the whole) or "partial". By file.
inline std::map<std::string, std::string> expectations(const std::string& index_file) {
    std::istringstream index(text_of(data_folder() / index_file));
    std::map<std::string, std::string> expected;
    std::string line;
    std::getline(index, line);  // the names of the columns
    while (std::getline(index, line)) expected[line.substr(0, line.find('\t'))] = line.substr(line.rfind('\t') + 1);
    return expected;
}

// The index of device trees: the row of each file, and a count in it ("masters 12").
inline std::map<std::string, std::string> tree_index() {
    std::istringstream index(text_of(data_folder() / "dtb/INDEX.md"));
    std::map<std::string, std::string> rows;
    std::string row;
    while (std::getline(index, row))
        if (const auto end = row.find(".dtb |"); end != std::string::npos) rows.emplace(row.substr(2, end + 2), row);
    return rows;
}
inline std::size_t count_of(const std::string& row, const std::string& word) {
    std::smatch found;
    return std::regex_search(row, found, std::regex("[ |]" + word + " (\\d+)")) ? std::stoul(found[1]) : std::size_t(-1);
}

// Reads the table with every byte behind its header changed, four times each, and every prefix of it. No prefix may be read
// that ends before the first structure; else what matters is that it ends, which a sanitizer watches.
template <class Read>
void read_every_damage(const std::vector<std::byte>& sound, std::size_t first_structure, Read read) {
    constexpr std::size_t header_bytes = 36;
    for (std::size_t i = header_bytes; i < sound.size(); ++i)
        for (const unsigned value : {0x00u, 0x01u, 0x7fu, 0xffu}) {
            auto changed = sound;
            changed[i] = std::byte(value);
            fix_checksum(changed);
            (void)read(changed);
        }
    for (std::size_t length = 0; length < sound.size(); ++length) {
        std::vector<std::byte> prefix(sound.begin(), sound.begin() + std::ptrdiff_t(length));
        seal(prefix);
        EXPECT_TRUE(length >= first_structure || !read(prefix)) << length;
    }
}

}  // namespace smmu::test

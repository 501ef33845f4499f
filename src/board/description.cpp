// SPDX-License-Identifier: Apache-2.0
#include "board/description.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "link/wire.hpp"

namespace smmu::board {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::uint64_t least_memory_mib = 64;   // firmware and room for tables
constexpr std::uint64_t most_memory_mib = 2048;  // q35 has the PCI hole above

Result<std::string> read_file(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) return fail(ENOENT, fmt::format("{}: cannot be opened", path.string()));
    std::string bytes{std::istreambuf_iterator<char>(file), {}};
    if (bytes.size() > link::max_table_file_bytes)
        return fail(EFBIG, fmt::format("{}: larger than {} bytes", path.string(),
                                       link::max_table_file_bytes));
    return bytes;
}

Result<fs::path> find_file(std::string_view name) {
    if (name.find('/') != std::string_view::npos || name.ends_with(".json")) return fs::path(name);
    const std::string file = fmt::format("{}.json", name);
    std::vector<fs::path> directories;
    std::error_code ignored;
    if (const char* wanted = std::getenv("SMMU_BOARDS"); wanted != nullptr) {
        directories.emplace_back(wanted);
    } else {
        const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
        directories.push_back(program / "../share/smmuman/boards");
        directories.push_back(program / "../../../boards/qemu");
    }
    std::string looked_in;
    for (const fs::path& directory : directories) {
        if (fs::exists(directory / file, ignored)) return directory / file;
        looked_in += fmt::format(" {}", directory.lexically_normal().string());
    }
    return fail(
        ENOENT,
        fmt::format("no board is called {}; looked for {} in{} (SMMU_BOARDS names another place)",
                    name, file, looked_in));
}

// The words of a member, and what they mean.
template <class Meaning>
using Words = std::array<std::pair<std::string_view, Meaning>, 2>;
constexpr Words<Description::Kind> machines = {
    {{"x86", Description::Kind::x86}, {"arm", Description::Kind::arm}}};
constexpr Words<Description::Firmware> firmwares = {
    {{"acpi", Description::Firmware::acpi}, {"dtb", Description::Firmware::device_tree}}};

template <class Meaning>
Result<Meaning> one_of(const Words<Meaning>& words, const std::string& word,
                       const std::string& member, const fs::path& path) {
    for (const auto& [known, meaning] : words)
        if (word == known) return meaning;
    return fail(EINVAL, fmt::format("{}: {} '{}' is not known; {} and {} are", path.string(),
                                    member, word, words[0].first, words[1].first));
}

// Reads the members of the description; every type error of the JSON library ends in
// load_description.
Result<Description> from_json(const json& text, const fs::path& path) {
    Description board;
    board.name = path.stem().string();
    for (const auto& [key, value] : text.items()) {
        if (key == "machine") {
            SMMU_TRY(board.machine, one_of(machines, value.get<std::string>(), key, path));
        } else if (key == "firmware") {
            SMMU_TRY(board.firmware, one_of(firmwares, value.get<std::string>(), key, path));
        } else if (key == "type") {
            board.type = value.get<std::string>();
        } else if (key == "about") {
            (void)value.get<std::string>();
        } else if (key == "qemu") {
            board.qemu = value.get<std::string>();
        } else if (key == "memory_mib") {
            board.memory_mib = value.get<std::uint64_t>();
        } else if (key == "devices") {
            board.devices = value.get<std::vector<std::string>>();
        } else if (key == "arguments") {
            board.arguments = value.get<std::vector<std::string>>();
        } else if (key == "log") {
            board.log = value.get<std::string>();
        } else if (key == "replace_tables") {
            for (const auto& [table, source] : value.items()) {
                SMMU_TRY(board.replaced_tables[table],
                         table_bytes(source.get<std::string>(), path.parent_path().string()));
            }
        } else {
            return fail(EINVAL, fmt::format("{}: '{}' is not known; correct or remove it",
                                            path.string(), key));
        }
    }
    if (!text.contains("machine"))
        return fail(EINVAL, fmt::format("{}: 'machine' is missing", path.string()));
    if (board.machine == Description::Kind::x86 &&
        board.firmware == Description::Firmware::device_tree)
        return fail(EINVAL, fmt::format("{}: firmware 'dtb': an x86 machine has no device tree",
                                        path.string()));
    if (board.qemu.empty())
        board.qemu =
            board.machine == Description::Kind::arm ? "qemu-system-aarch64" : "qemu-system-x86_64";
    if (board.name.empty() || board.name.size() >= link::max_name_bytes)
        return fail(EINVAL, fmt::format("{}: the name is longer than {} bytes", path.string(),
                                        link::max_name_bytes - 1));
    if (board.memory_mib < least_memory_mib || board.memory_mib > most_memory_mib)
        return fail(EINVAL,
                    fmt::format("{}: memory_mib is {}; {} to {} are possible", path.string(),
                                board.memory_mib, least_memory_mib, most_memory_mib));
    return board;
}

}  // namespace

Result<std::vector<std::byte>> table_bytes(const std::string& text, const std::string& directory) {
    std::string raw;
    if (text.starts_with("hex:")) {
        const std::string_view digits = std::string_view(text).substr(4);
        if (digits.size() % 2 != 0 ||
            digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos)
            return fail(EINVAL,
                        fmt::format("'{}' is not an even number of hexadecimal digits", text));
        for (std::size_t i = 0; i < digits.size(); i += 2)
            raw.push_back(
                static_cast<char>(std::stoi(std::string(digits.substr(i, 2)), nullptr, 16)));
    } else {
        SMMU_TRY(raw, read_file(fs::path(directory) / text));
    }
    std::vector<std::byte> bytes(raw.size());
    for (std::size_t i = 0; i < raw.size(); ++i) bytes[i] = static_cast<std::byte>(raw[i]);
    return bytes;
}

Result<Description> load_description(std::string_view name) {
    SMMU_TRY(const fs::path path, find_file(name));
    SMMU_TRY(const std::string text, read_file(path));
    try {
        return from_json(json::parse(text), path);
    } catch (const json::exception& wrong) {
        return fail(EINVAL, fmt::format("{}: {}", path.string(), wrong.what()));
    }
}

}  // namespace smmu::board

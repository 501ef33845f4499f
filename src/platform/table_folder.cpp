// SPDX-License-Identifier: Apache-2.0
#include "platform/table_folder.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>

#include "base/unique_fd.hpp"

namespace smmu::platform {
namespace {

constexpr std::size_t signature_length = 4;

bool is_signature(std::string_view text) {
    const auto in_signature = [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); };
    return text.size() == signature_length && std::ranges::all_of(text, in_signature) && text[0] >= 'A';
}

// What the file's name says it holds; nothing for a file that is none of ours.
std::optional<std::string> table_in(const std::string& file) {
    std::string_view name = file;
    if (name.ends_with(".dtb") || name == "fdt") return "dtb";
    if (name.ends_with(".bin")) {
        name.remove_suffix(std::strlen(".bin"));
        if (const auto dot = name.rfind('.'); dot != std::string_view::npos) name.remove_prefix(dot + 1);
    } else {
        while (name.size() > signature_length && name.back() >= '0' && name.back() <= '9') name.remove_suffix(1);
    }
    if (!is_signature(name)) return std::nullopt;
    return std::string(name);
}

}  // namespace

std::string own_table_folder() {
    const std::string acpi = "/sys/firmware/acpi/tables";
    std::error_code problem;
    return std::filesystem::is_directory(acpi, problem) ? acpi : "/sys/firmware";
}

Result<std::vector<std::byte>> read_table_file(const std::string& path) {
    const auto failed = [&](int code) { return fail(code, fmt::format("{}: {}", path, std::strerror(code))); };
    // A pipe or device could keep the reader waiting for ever.
    const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!file) return failed(errno);
    struct stat status{};
    if (fstat(file.get(), &status) != 0) return failed(errno);
    if (!S_ISREG(status.st_mode)) return fail(EINVAL, path + ": not a regular file");
    std::vector<std::byte> bytes(largest_table_file + 1);  // files of sysfs do not tell their size
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t got = read(file.get(), bytes.data() + done, bytes.size() - done);
        if (got < 0) return failed(errno);
        if (got == 0) break;
        done += std::size_t(got);
    }
    if (done > largest_table_file) return fail(EFBIG, fmt::format("{}: more than {} bytes", path, largest_table_file));
    bytes.resize(done);
    return bytes;
}

Result<std::vector<RawTable>> read_table_folder(const std::string& path) {
    std::error_code problem;
    std::filesystem::directory_iterator entries(path, problem);
    if (problem) return fail(problem.value(), fmt::format("{}: {}", path, problem.message()));
    std::vector<std::string> files;
    for (; entries != std::filesystem::directory_iterator(); entries.increment(problem)) {
        std::string file = entries->path().filename();
        if (!table_in(file)) continue;
        if (files.size() == most_table_files)
            return fail(EFBIG, fmt::format("{}: more than {} tables", path, most_table_files));
        files.push_back(std::move(file));
    }
    std::ranges::sort(files);
    std::vector<RawTable> tables;
    for (const std::string& file : files) {
        const std::string full = path + "/" + file;
        SMMU_TRY(std::vector<std::byte> bytes, read_table_file(full));
        tables.push_back({*table_in(file), full, std::move(bytes)});
    }
    if (tables.empty())
        return fail(ENOENT, fmt::format("{}: no firmware table is there (files named DMAR, *.DMAR.bin, *.dtb ...)", path));
    return tables;
}

}  // namespace smmu::platform

// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/host_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "base/unique_fd.hpp"

namespace smmu::platform::linux {

Result<std::string> HostFiles::text(std::string_view file) const {
    const auto failed = [&](int code) { return fail(code, fmt::format("{}: {}", file, std::strerror(code))); };
    const UniqueFd opened(open(path(file).c_str(), O_RDONLY | O_CLOEXEC));
    if (!opened) return failed(errno);
    std::string text;
    char part[4096];
    for (;;) {
        const ssize_t got = read(opened.get(), part, sizeof part);
        if (got < 0) return failed(errno);
        if (got == 0) return text;
        if (text.size() + std::size_t(got) > largest_host_file) return failed(EFBIG);
        text.append(part, std::size_t(got));
    }
}

Result<std::uint64_t> HostFiles::number(std::string_view file) const {
    SMMU_TRY(const std::string said, text(file));
    std::uint64_t value = 0;
    if (std::from_chars(said.data(), said.data() + said.size(), value).ec != std::errc{})
        return fail(EINVAL, fmt::format("{}: does not begin with a number", file));
    return value;
}

Result<std::vector<std::string>> HostFiles::listing(std::string_view folder) const {
    std::vector<std::string> names;
    std::error_code problem;
    std::filesystem::directory_iterator entries(path(folder), problem);
    for (; !problem && entries != std::filesystem::directory_iterator() && names.size() < most_names; entries.increment(problem))
        names.push_back(entries->path().filename());
    if (problem) return fail(problem.value(), fmt::format("{}: {}", folder, std::strerror(problem.value())));
    std::ranges::sort(names);
    return names;
}

std::vector<std::string> HostFiles::names(std::string_view folder) const {
    return listing(folder).value_or(std::vector<std::string>{});
}

std::string HostFiles::link_name(std::string_view link) const {
    std::error_code problem;
    return std::filesystem::read_symlink(path(link), problem).filename();
}

std::string HostFiles::resolved(std::string_view link) const {
    std::error_code problem;
    const std::string whole = std::filesystem::canonical(path(link), problem);
    return whole.starts_with(root_) ? whole.substr(root_.size()) : std::string();
}

}  // namespace smmu::platform::linux

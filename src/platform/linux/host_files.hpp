// SPDX-License-Identifier: Apache-2.0
// HostFiles: what the kernel tells in small files under /proc, /sys and /dev. With another root a test's folder tells it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace smmu::platform::linux {

inline constexpr std::size_t largest_host_file = std::size_t{4} << 20;
inline constexpr std::size_t most_names = 65536;

class HostFiles {
public:
    explicit HostFiles(std::string root = {}) : root_(std::move(root)) {}

    std::string path(std::string_view file) const { return root_ + std::string(file); }
    // The whole text. EFBIG beyond the limit above.
    Result<std::string> text(std::string_view file) const;
    // The decimal number that the text begins with.
    Result<std::uint64_t> number(std::string_view file) const;
    // What is in a folder, ascending; nothing when it is not there.
    std::vector<std::string> names(std::string_view folder) const;
    // The same of a folder that must be readable for the answer to count: ENOENT when it is not there.
    Result<std::vector<std::string>> listing(std::string_view folder) const;
    // The last part of what a symbolic link leads to; empty when there is none.
    std::string link_name(std::string_view link) const;
    // Where a link leads in the end, seen from the root; empty when it leads nowhere.
    std::string resolved(std::string_view link) const;

private:
    std::string root_;
};

}  // namespace smmu::platform::linux

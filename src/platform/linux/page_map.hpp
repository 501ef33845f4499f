// SPDX-License-Identifier: Apache-2.0
// PageMap: where pages of this process lie in physical memory (/proc/self/pagemap). Right only as long as they are pinned.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/address.hpp"
#include "base/result.hpp"
#include "base/unique_fd.hpp"

namespace smmu::platform::linux {

// What one word of the page map says: nothing for a page that is not in memory.
std::optional<std::uint64_t> frame_number(std::uint64_t word);

class PageMap {
public:
    static Result<PageMap> open(const std::string& path);

    // The physical address of every `step` bytes of a view, from its first byte on. EPERM: addresses are hidden from this
    // process; EIO: a page is not in memory.
    Result<std::vector<PhysAddr>> addresses(std::span<const std::byte> view, std::uint64_t step) const;

private:
    explicit PageMap(UniqueFd file) : file_(std::move(file)) {}
    Result<PhysAddr> address(std::uintptr_t at) const;

    UniqueFd file_;
};

}  // namespace smmu::platform::linux

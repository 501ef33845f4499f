// SPDX-License-Identifier: Apache-2.0
#include "config/lines.hpp"

#include <fmt/format.h>

#include <array>
#include <utility>

namespace smmu::config {
namespace {

// With the largest multiplier that divides it; plain digits of a size are decimal.
std::string size_text(std::uint64_t bytes) {
    constexpr std::array multipliers{std::pair{30u, 'G'}, std::pair{20u, 'M'}, std::pair{10u, 'K'}};
    for (const auto& [shift, letter] : multipliers)
        if (bytes % (std::uint64_t{1} << shift) == 0) return fmt::format("{}{}", bytes >> shift, letter);
    return fmt::format("{}", bytes);
}

}  // namespace

std::string window_text(const PhysRange& range, Access access) {
    return fmt::format("{:#x},{},{}", range.first.value, size_text(range.length()), letters(access));
}

std::string allow_line(std::string_view name, const PhysRange& range, Access access) {
    return fmt::format("allow {} {}", name, window_text(range, access));
}

std::string device_line(const topology::DeviceId& id, const std::vector<std::string>& clauses) {
    std::string line = "device " + topology::to_string(id);
    for (const std::string& clause : clauses) line += " " + clause;
    return line;
}

}  // namespace smmu::config

// SPDX-License-Identifier: Apache-2.0
#include "topology/number.hpp"

#include <fmt/format.h>

#include <optional>

namespace smmu::topology {
namespace {

std::optional<unsigned> digit(char c) {
    if (c >= '0' && c <= '9') return unsigned(c - '0');
    if (c >= 'a' && c <= 'f') return unsigned(c - 'a' + 10);
    if (c >= 'A' && c <= 'F') return unsigned(c - 'A' + 10);
    return std::nullopt;
}

// The power of two that a multiplier letter stands for; nothing for any other character.
std::optional<unsigned> multiplier_log2(char c) {
    switch (c) {
        case 'k':
        case 'K':
            return 10;
        case 'm':
        case 'M':
            return 20;
        case 'g':
        case 'G':
            return 30;
        default:
            return std::nullopt;
    }
}

}  // namespace

std::expected<std::uint64_t, std::string> parse_number(std::string_view text, Radix unprefixed) {
    unsigned shift = 0;
    auto radix = std::uint64_t(unprefixed);
    if (!text.empty()) {
        if (const auto log2 = multiplier_log2(text.back())) {
            shift = *log2;
            radix = 10;
            text.remove_suffix(1);
        }
    }
    if (text.starts_with("0x") || text.starts_with("0X")) {
        radix = 16;
        text.remove_prefix(2);
    } else if (text.starts_with("0d") || text.starts_with("0D")) {
        radix = 10;
        text.remove_prefix(2);
    }
    if (text.empty()) return std::unexpected("has no digits");
    std::uint64_t value = 0;
    for (const char c : text) {
        const auto next = digit(c);
        if (!next || *next >= radix)
            return std::unexpected(fmt::format("holds '{}', which is not a {} digit", c,
                                               radix == 16 ? "hexadecimal" : "decimal"));
        if (value > (~std::uint64_t{0} - *next) / radix)
            return std::unexpected("does not fit in 64 bits");
        value = value * radix + *next;
    }
    if (value > (~std::uint64_t{0} >> shift)) return std::unexpected("does not fit in 64 bits");
    return value << shift;
}

}  // namespace smmu::topology

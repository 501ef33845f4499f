// SPDX-License-Identifier: Apache-2.0
// Number: the notation that configuration and device ids share: 0x and 0d prefixes, K, M and G
// multipliers.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace smmu::topology {

enum class Radix : std::uint8_t { decimal = 10, hexadecimal = 16 };

// `unprefixed` is the radix of digits without a prefix and without a multiplier; a multiplier makes
// them decimal. The error is what is wrong with the text, as the end of a sentence: "does not fit
// in 64 bits".
std::expected<std::uint64_t, std::string> parse_number(std::string_view text, Radix unprefixed);

}  // namespace smmu::topology

// SPDX-License-Identifier: Apache-2.0
// Options: the words of the *.smmu language, once. The parser, the manual page and the shell
// completion read this table.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace smmu::config {

class Parser;

enum class Repeat : std::uint8_t { adds, last };

struct Option {
    std::string_view word;
    std::string_view arguments;  // as the manual writes them
    std::string_view meaning;
    std::string_view example;  // complete in itself, as smmu(5) shows it
    Repeat repeat;
    bool (*parse)(Parser&);  // false: the rest up to the next option is skipped
};

std::span<const Option> options();
const Option* find_option(std::string_view word);
// Words with a meaning inside an option, which therefore cannot be names.
std::span<const std::string_view> clause_words();

}  // namespace smmu::config

// SPDX-License-Identifier: Apache-2.0
// Words: configuration text cut into words with their places, with @file spliced in where it
// stands.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "topology/topology.hpp"

namespace smmu::config {

inline constexpr int deepest_nesting = 16;
// How often a file may be spliced in, all together: files that name each other twice would double
// at each level.
inline constexpr std::size_t most_splices = 256;
inline constexpr std::size_t most_words = 65536;       // of all files together
inline constexpr std::size_t longest_file = 1u << 20;  // bytes of one file
inline constexpr std::size_t longest_word = 4096;      // as long as a path may be
inline constexpr std::size_t most_errors = 20;

// Where a word stands; lines and columns count from 1. The command line is one line of a source of
// that name.
struct Position {
    std::string source;
    unsigned line = 1;
    unsigned column = 1;

    topology::Origin origin() const;  // "board.smmu:3:9"
};

struct Word {
    std::string text;
    Position position;
};

struct ConfigError {
    Position position;
    std::string word;  // as written; empty when it is missing
    std::string text;  // what was expected or what is wrong

    std::string line() const;  // "board.smmu:3:9: 'foo': expected ..."
};

// The text of a file. Given as a function so that a test needs no files.
using FileReader = std::function<Result<std::string>(const std::string& path)>;

struct Words {
    std::vector<Word> words;
    std::vector<ConfigError> errors;
};

// Cuts the arguments of a command line, joined by spaces, into words. A relative path in a file is
// taken from the folder of that file.
Words read_words(std::span<const std::string> arguments, const FileReader& read_file);

}  // namespace smmu::config

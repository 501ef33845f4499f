// SPDX-License-Identifier: Apache-2.0
// Counts: what an independent walker found in a table, from the file beside it.
#pragma once

#include <map>
#include <sstream>
#include <string>

#include "tests/unit/firmware/test_data.hpp"

namespace smmu::test {

// Numbers of the line "# counts: {...}" by their name; lists are left out.
inline std::map<std::string, unsigned long> expected_counts(std::filesystem::path path) {
    const std::string text = text_of(path.replace_extension("expected.txt"));
    std::istringstream line(text.substr(text.find("# counts: ")));
    std::string word;
    std::map<std::string, unsigned long> counts;
    std::getline(line, word);
    for (std::size_t at = word.find('"'); at != std::string::npos; at = word.find('"', at)) {
        const auto end = word.find('"', at + 1);
        const std::string name = word.substr(at + 1, end - at - 1);
        at = end + 3;
        if (word[at] >= '0' && word[at] <= '9') counts[name] = std::stoul(word.substr(at));
    }
    return counts;
}

}  // namespace smmu::test

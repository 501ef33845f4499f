// SPDX-License-Identifier: Apache-2.0
// The example of each option is a configuration of its own.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <sstream>

#include "config/options.hpp"
#include "config/parse.hpp"

namespace smmu::config {
namespace {

TEST(Examples, EachCanBeUsedAsItStands) {
    const FileReader no_files = [](const std::string& path) -> Result<std::string> { return fail(ENOENT, path); };
    for (const Option& option : options()) {
        SCOPED_TRACE(option.example);
        const std::vector<std::string> words{std::string(option.example)};
        const ParseResult parsed = parse(words, no_files, Edition::plain);
        for (const ConfigError& error : parsed.errors) ADD_FAILURE() << error.line();
        EXPECT_NE(option.example.find(option.word), std::string_view::npos);
    }
}

std::string text_of(const std::string& file) {
    std::ifstream stream(SMMU_SOURCE_DIR "/" + file);
    return {std::istreambuf_iterator<char>(stream), {}};
}

// Whole words only: "use" is not in "because".
bool has_word(const std::string& text, std::string_view word) {
    const auto is_part = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
    for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
        const bool begins = at == 0 || !is_part(text[at - 1]);
        const bool ends = at + word.size() == text.size() || !is_part(text[at + word.size()]);
        if (begins && ends) return true;
    }
    return false;
}

TEST(Examples, TheManualShowsEveryOptionWithItsExample) {
    const std::string manual = text_of("man/smmu.5");
    for (const Option& option : options()) {
        EXPECT_NE(manual.find(".It Cm " + std::string(option.word)), std::string::npos) << option.word;
        EXPECT_NE(manual.find(".Dl " + std::string(option.example) + "\n"), std::string::npos) << option.example;
    }
    for (const std::string_view word : clause_words()) EXPECT_TRUE(has_word(manual, word)) << word;
}

TEST(Examples, TheShellsCompleteEveryWord) {
    for (const char* file : {"completion/smmuman.bash", "completion/_smmuman", "completion/smmuman.fish"}) {
        const std::string completion = text_of(file);
        for (const Option& option : options()) EXPECT_TRUE(has_word(completion, option.word)) << file << ": " << option.word;
        for (const std::string_view word : clause_words()) EXPECT_TRUE(has_word(completion, word)) << file << ": " << word;
    }
}

// The configurations under EXAMPLES.
TEST(Examples, TheManualsConfigurationsCanBeUsed) {
    const FileReader no_files = [](const std::string& path) -> Result<std::string> { return fail(ENOENT, path); };
    const std::string manual = text_of("man/smmu.5");
    const std::string begin = ".Bd -literal -offset indent\n";
    int found = 0;
    for (auto at = manual.find(begin, manual.find(".Sh EXAMPLES")); at != std::string::npos; at = manual.find(begin, at + 1)) {
        const auto first = at + begin.size();
        std::istringstream text(manual.substr(first, manual.find(".Ed", first) - first));
        std::vector<std::string> words;
        for (std::string word; text >> word;) words.push_back(word);
        for (const ConfigError& error : parse(words, no_files, Edition::plain).errors) ADD_FAILURE() << error.line();
        ++found;
    }
    EXPECT_EQ(found, 2);
}

}  // namespace
}  // namespace smmu::config

// SPDX-License-Identifier: Apache-2.0
// The board files that are installed: each is understood, and names no micro-TLB or unit that it does not describe.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "config/parse.hpp"

namespace smmu::config {
namespace {

const std::filesystem::path folder = SMMU_SOURCE_DIR "/boards";

Result<std::string> read_board(const std::string& path) {
    std::ifstream file(path.starts_with('/') ? std::filesystem::path(path) : folder / path);
    if (!file) return fail(ENOENT, path);
    return std::string(std::istreambuf_iterator<char>(file), {});
}

std::vector<std::string> board_names() {
    std::vector<std::string> names;
    for (const auto& file : std::filesystem::directory_iterator(folder))
        if (file.path().extension() == ".smmu") names.push_back(file.path().stem());
    std::ranges::sort(names);
    return names;
}

class Boards : public testing::TestWithParam<std::string> {
protected:
    static Configuration parsed(const std::string& name, Edition edition) {
        const std::vector<std::string> words{"@" + (folder / (name + ".smmu")).string()};
        const ParseResult result = parse(words, read_board, edition);
        for (const ConfigError& error : result.errors) ADD_FAILURE() << error.line();
        return result.configuration;
    }
};

TEST_P(Boards, IsUnderstood) {
    const bool is_safety = GetParam().ends_with("-safety");
    const Configuration board = parsed(GetParam(), is_safety ? Edition::safety : Edition::plain);
    EXPECT_FALSE(board.modules.empty());
    EXPECT_FALSE(board.devices.empty());
    for (const DeviceEntry& device : board.devices) {
        EXPECT_FALSE(device.uses.empty()) << device.origin.text;
        for (const UseClause& use : device.uses) EXPECT_NE(board.find_unit(use.unit), nullptr) << use.origin.text;
    }
}

INSTANTIATE_TEST_SUITE_P(Files, Boards, testing::ValuesIn(board_names()), [](const auto& name) {
    std::string text = name.param;
    std::erase(text, '-');
    return text;
});

TEST(BoardFiles, AreThere) {
    const std::vector<std::string> expected{"imx8qm", "rcar-h3", "rcar-h3-es1", "rcar-h3-safety"};
    for (const std::string& name : expected) EXPECT_TRUE(std::filesystem::exists(folder / (name + ".smmu"))) << name;
}

}  // namespace
}  // namespace smmu::config

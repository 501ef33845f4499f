// SPDX-License-Identifier: Apache-2.0
// Every subcommand is in the manual and in the completion of each shell.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <regex>

#include "cli/subcommands.hpp"

namespace smmu::cli {
namespace {

std::string text_of(const std::string& file) {
    std::ifstream stream(SMMU_SOURCE_DIR "/" + file);
    return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(Completion, KnowsEverySubcommand) {
    CLI::App app;
    Invocation invocation;
    for (const AddSubcommand add : subcommands) add(app, invocation);
    const auto all = app.get_subcommands({});
    EXPECT_GE(all.size(), 15u);
    for (const CLI::App* subcommand : all) {
        const std::string& name = subcommand->get_name();
        for (const char* file : {"completion/smmuctl.bash", "completion/_smmuctl", "completion/smmuctl.fish"})
            EXPECT_TRUE(std::regex_search(text_of(file), std::regex("\\b" + name + "\\b"))) << file << ": " << name;
        EXPECT_NE(text_of("man/smmuctl.1").find("\n.It Cm " + name), std::string::npos) << name;
    }
}

}  // namespace
}  // namespace smmu::cli

// SPDX-License-Identifier: Apache-2.0
// check: what a service would find in firmware tables and a configuration, without a machine.
#include <fmt/format.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

#include "cli/subcommands.hpp"
#include "config/parse.hpp"
#include "platform/table_folder.hpp"
#include "survey/advice.hpp"
#include "survey/survey.hpp"

namespace smmu::cli {

namespace {

Result<std::string> read_file(const std::string& path) {
    std::ifstream file(path);
    if (!file) return fail(ENOENT, path + ": cannot be read");
    std::string text(std::istreambuf_iterator<char>(file), {});
    if (text.size() > config::longest_file) return fail(EFBIG, path + ": too long");
    return text;
}

struct Check {
    std::string tables;
    std::vector<std::string> words;
};

int check(const Check& asked) {
    const config::ParseResult parsed = config::parse(asked.words, read_file, config::Edition::plain);
    for (const config::ConfigError& error : parsed.errors) std::fprintf(stderr, "smmuctl: %s\n", error.line().c_str());
    if (!parsed.errors.empty()) return failed;
    const auto tables = platform::read_table_folder(asked.tables);
    if (!tables) return complain(tables.error().text);
    const topology::PciTree no_pci;
    survey::Input input{.tables = {},
                        .pci = no_pci,
                        .configuration = parsed.configuration,
                        .ram = {},
                        .table_memory = {},
                        .register_windows = {},
                        .silent_units = {}};
    for (const platform::RawTable& table : *tables) input.tables.push_back({table.name, table.bytes});
    const topology::Topology topology = survey::survey(input);
    fmt::print("# {} tables of {}, without their machine: PCI devices are those that tables name\n{}\n{}", tables->size(),
               asked.tables, survey::findings_text(topology), survey::paste_ready(topology, parsed.configuration));
    return int(survey::verdict(topology));
}

}  // namespace

void add_check(CLI::App& app, Invocation& invocation) {
    CLI::App* command = app.add_subcommand("check", "firmware tables and a configuration, held against each other");
    const auto asked = std::make_shared<Check>();
    command->add_option("--tables", asked->tables, "a folder with raw tables")->default_val(platform::own_table_folder());
    command->add_option("words", asked->words, "of the configuration, or @FILE");
    command->callback([&invocation, asked] { invocation.run = [asked] { return check(*asked); }; });
}

}  // namespace smmu::cli

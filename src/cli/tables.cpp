// SPDX-License-Identifier: Apache-2.0
// tables: what raw firmware tables say, without their machine.
#include <cstdio>
#include <memory>

#include "cli/subcommands.hpp"
#include "cli/table_listing.hpp"
#include "platform/table_folder.hpp"

namespace smmu::cli {

namespace {

int show_tables(const std::string& folder, bool json) {
    const auto tables = platform::read_table_folder(folder);
    if (!tables) return complain(tables.error().text);
    const report::TableListing listing = list_tables(*tables);
    std::fputs((json ? report::to_json(listing) + '\n' : listing_text(listing)).c_str(), stdout);
    return listing.findings.empty() ? contained : not_contained;
}

}  // namespace

void add_tables(CLI::App& app, Invocation& invocation) {
    CLI::App* command = app.add_subcommand("tables", "what raw firmware tables in a folder say");
    const auto folder = std::make_shared<std::string>();
    command->add_option("DIR", *folder, "with files named DMAR, MCFG, *.DMAR.bin ...")->default_val(platform::own_table_folder());
    command->callback([&invocation, folder] {
        invocation.run = [&invocation, folder] { return show_tables(*folder, invocation.json); };
    });
}

}  // namespace smmu::cli

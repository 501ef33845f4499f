// SPDX-License-Identifier: Apache-2.0
// Views: the subcommands that print the status as a table.
#include "cli/subcommands.hpp"

#include "cli/status_source.hpp"
#include "cli/text.hpp"

namespace smmu::cli {

namespace {

struct View {
    const char* name;
    const char* what;
    std::string (*text)(const report::Status&, Style);
};

constexpr View views[] = {
    {"status", "one line on everything, then findings", status_text},
    {"units", "the IOMMU units and how they were taken over", units_text},
    {"registers", "the units with their registers by the manual's names", registers_text},
    {"devices", "every device, who owns it, what was refused", devices_text},
    {"objects", "clients' objects", objects_text},
    {"mappings", "what clients granted, byte by byte", mappings_text},
};

int show(const View& view, const Invocation& invocation) {
    const auto read = read_status(invocation.from);
    if (!read) return complain(read.error().text);
    const std::string text = invocation.json ? read->text + '\n' : view.text(read->status, style_of_output());
    std::fputs(text.c_str(), stdout);
    return report::all_contained(read->status) ? contained : not_contained;
}

}  // namespace

void add_views(CLI::App& app, Invocation& invocation) {
    for (const View& view : views)
        app.add_subcommand(view.name, view.what)->callback([&] {
            invocation.run = [&] { return show(view, invocation); };
        });
}

}  // namespace smmu::cli

// SPDX-License-Identifier: Apache-2.0
// Topology: the subcommand that shows the machine as a tree or as a picture.
#include <memory>

#include "cli/status_source.hpp"
#include "cli/subcommands.hpp"
#include "cli/topology_views.hpp"

namespace smmu::cli {

namespace {

struct Form {
    bool dot = false, svg = false;
};

int show(const Invocation& invocation, Form form) {
    const auto read = read_status(invocation.from);
    if (!read) return complain(read.error().text);
    const std::string text = invocation.json ? read->text + '\n'
                             : form.svg      ? topology_svg(read->status)
                             : form.dot      ? topology_dot(read->status)
                                             : topology_text(read->status, style_of_output());
    std::fputs(text.c_str(), stdout);
    return report::all_contained(read->status) ? contained : not_contained;
}

}  // namespace

void add_topology(CLI::App& app, Invocation& invocation) {
    CLI::App* topology = app.add_subcommand("topology", "the machine as a tree: buses, devices, units, groups, what is open");
    const auto form = std::make_shared<Form>();
    CLI::Option* dot = topology->add_flag("--dot", form->dot, "as a graph for graphviz");
    topology->add_flag("--svg", form->svg, "as a picture")->excludes(dot);
    topology->callback([&invocation, form] {
        invocation.run = [&invocation, form] { return show(invocation, *form); };
    });
}

}  // namespace smmu::cli

// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <set>

#include "cli/machine_tree.hpp"
#include "cli/phrases.hpp"
#include "cli/topology_views.hpp"

namespace smmu::cli {

namespace {

// A string of the DOT language.
std::string dot_string(std::string_view text) {
    std::string out = "\"";
    for (const char letter : text) {
        if (letter == '"' || letter == '\\') out += '\\';
        out += letter == '\n' ? ' ' : letter;
    }
    return out + '"';
}

std::string line(std::string_view text) {  // inside a label: what is special there is made harmless
    const std::string safe = dot_string(text);
    return safe.substr(1, safe.size() - 2) + "\\l";
}

std::string label_of(const report::Status& status, const report::Device& device) {
    std::string label = line(device.id + (device.is_bridge ? " (bridge)" : "")) + line(cut(device.description, 30)) +
                        line(fmt::format("{}, group {}", device.state, device.group));
    if (device.owner.pid != 0) label += line(cut(owner_text(device.owner), 40));
    return "\"" + label + line("open: " + open_text(status, device)) + "\"";
}

const char* style_of(const report::Device& device) {
    if (device.state == "contained") return "style=\"rounded,filled\" fillcolor=\"#d9f0dd\"";
    if (device.state == "host") return "style=\"filled,bold\" fillcolor=\"#fdf0c8\"";
    if (device.state == "blocked" || device.state == "gone") return "style=\"rounded,dashed\"";
    return "style=\"filled,bold\" fillcolor=\"#f8d4d0\" peripheries=2";
}

void add_edges(std::string& text, const std::string& from, const std::vector<Node>& nodes) {
    for (const Node& node : nodes) {
        const std::string here = dot_string(node.device->id);
        text += fmt::format("  {} -> {} [arrowhead=none];\n", from, here);
        add_edges(text, here, node.below);
    }
}

}  // namespace

std::string topology_dot(const report::Status& status) {
    std::string text = fmt::format("digraph machine {{\n  rankdir=LR;\n  label={};\n  node [shape=box fontname=\"sans-serif\"];\n",
                                   dot_string(report::headline(status)));
    for (const report::Unit& unit : status.units)
        text += fmt::format("  {} [shape=component style=bold label={}];\n", dot_string("unit " + unit.name),
                            dot_string(unit.name + ": " + unit.state));
    std::set<std::uint32_t> groups;
    for (const report::Device& device : status.devices) groups.insert(device.group);
    for (const std::uint32_t group : groups) {
        const auto devices = members(status, group);
        if (devices.size() > 1)
            text += fmt::format("  subgraph \"cluster_{}\" {{\n    style=dashed; label={};\n", group,
                                dot_string(fmt::format("group {}: {}", group, cut(group_reason(status, group), 60))));
        for (const report::Device* device : devices)
            text += fmt::format("    {} [{} label={}];\n", dot_string(device->id), style_of(*device), label_of(status, *device));
        if (devices.size() > 1) text += "  }\n";
    }
    for (const RootBus& root : machine_tree(status).buses) {
        const std::string name = dot_string(fmt::format("segment {:04x} bus {:02x}", root.segment, root.bus));
        text += fmt::format("  {} [shape=plaintext];\n", name);
        add_edges(text, name, root.nodes);
    }
    for (const report::Device& device : status.devices)
        for (const report::Stream& stream : device.streams)
            text += fmt::format("  {} -> {} [style=dotted constraint=false label={}];\n", dot_string(device.id),
                                dot_string("unit " + stream.unit), dot_string(stream_number(stream)));
    return text + "}\n";
}

}  // namespace smmu::cli

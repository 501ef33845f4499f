// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include "cli/machine_tree.hpp"
#include "cli/phrases.hpp"
#include "cli/table.hpp"
#include "cli/topology_views.hpp"

namespace smmu::cli {

namespace {

class Tree {
public:
    explicit Tree(const report::Status& status) : status_(status) {}

    void add_machine() {
        const MachineTree machine = machine_tree(status_);
        for (const RootBus& root : machine.buses) {
            table_.add({fmt::format("segment {:04x} · root bus {:02x}", root.segment, root.bus)});
            add_nodes(root.nodes, "");
        }
        if (machine.blocks.empty()) return;
        table_.add({"memory-mapped devices"});
        for (const report::Device* block : machine.blocks)
            add(*block, block == machine.blocks.back() ? "└─ " : "├─ ");
    }
    std::string text() const { return table_.text(); }

private:
    void add_nodes(const std::vector<Node>& nodes, const std::string& before) {
        for (std::size_t i = 0; i < nodes.size(); ++i) {
            const bool last = i + 1 == nodes.size();
            add(*nodes[i].device, before + (last ? "└─ " : "├─ "));
            add_nodes(nodes[i].below, before + (last ? "   " : "│  "));
        }
    }
    void add(const report::Device& device, const std::string& before) {
        table_.add({before + device.id, cut(device.description, 22), device.state, unit_tag(status_, device),
                    fmt::format("{}", device.group), cut(owner_text(device.owner), 32),
                    open_text(status_, device)});
    }

    const report::Status& status_;
    Table table_{{"DEVICE", "WHAT", "STATE", "UNIT", "GROUP", "OWNER", "OPEN"}};
};

}  // namespace

std::string topology_text(const report::Status& status, Style) {
    Tree tree(status);
    tree.add_machine();
    std::string text = tree.text() + '\n';
    for (std::size_t i = 0; i < status.units.size(); ++i)
        text += fmt::format("U{} is {}, {}, segment {:04x}, registers {}\n", i, status.units[i].name,
                            status.units[i].state, status.units[i].segment, status.units[i].registers);
    for (const report::Group& group : status.groups)
        if (!group.reason.empty())
            text += fmt::format("group {} is attached as a whole: {}\n", group.id, group.reason);
    return text;
}

}  // namespace smmu::cli

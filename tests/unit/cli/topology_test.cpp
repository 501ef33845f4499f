// SPDX-License-Identifier: Apache-2.0
// Pictures of machines, and what they are made of.
#include <gmock/gmock.h>

#include "cli/machine_tree.hpp"
#include "cli/picture_rows.hpp"
#include "cli/topology_views.hpp"
#include "tests/unit/cli/golden.hpp"
#include "tests/unit/cli/machines.hpp"

namespace smmu::test {
namespace {

using namespace cli;
using testing::HasSubstr;
using testing::Not;

TEST(Topology, TheSmallMachine) {
    const report::Status status = small_machine();
    expect_golden("small-topology.txt", topology_text(status, {}));
    expect_golden("small-topology.dot", topology_dot(status));
    expect_golden("small-topology.svg", topology_svg(status));
}

TEST(Topology, TheBigMachine) {
    const report::Status status = big_machine();
    expect_golden("big-topology.txt", topology_text(status, {}));
    expect_golden("big-topology.dot", topology_dot(status));
    expect_golden("big-topology.svg", topology_svg(status));
}

std::size_t count(const std::vector<Node>& nodes) {
    std::size_t sum = nodes.size();
    for (const Node& node : nodes) sum += count(node.below);
    return sum;
}
std::size_t count(const MachineTree& tree) {
    std::size_t sum = tree.blocks.size();
    for (const RootBus& root : tree.buses) sum += count(root.nodes);
    return sum;
}

TEST(Topology, EveryDeviceIsInTheTreeOnceWhateverBusNumbersTheBridgesClaim) {
    report::Status status = small_machine();
    EXPECT_EQ(count(machine_tree(status)), status.devices.size());
    for (std::uint32_t secondary = 0; secondary < 4; ++secondary) {
        for (report::Device& device : status.devices) {
            device.is_bridge = true;
            device.secondary = secondary;
        }
        EXPECT_EQ(count(machine_tree(status)), status.devices.size()) << secondary;
    }
}

TEST(Topology, RowsOfAColumnDoNotOverlapAndEveryDeviceHasOne) {
    report::Status status = big_machine();
    for (std::uint32_t i = 0; i < 140; ++i)
        status.devices.push_back(make_device(fmt::format("0002:{:02x}:{:02x}.0", i / 32, i % 32), "", "", 100 + i, "", 0));
    const PictureRows picture = picture_rows(status);
    EXPECT_GT(picture.columns, 1);
    std::size_t devices = 0;
    for (std::size_t i = 0; i < picture.rows.size(); ++i) {
        const PictureRow& row = picture.rows[i];
        devices += row.kind == PictureRow::Kind::device ? 1 : 0;
        EXPECT_LT(row.y, picture.height);
        if (i > 0 && picture.rows[i - 1].column == row.column) {
            EXPECT_GT(row.y, picture.rows[i - 1].y);
        } else {
            EXPECT_EQ(row.y, 0);
        }
        if (row.parent >= 0) {
            EXPECT_EQ(picture.rows[std::size_t(row.parent)].column, row.column);
        }
    }
    EXPECT_EQ(devices, status.devices.size());
}

TEST(Topology, NamesFromOutsideCannotLeaveTheirPlace) {
    report::Status status = small_machine();
    status.devices[1].owner.command = "<script>\"&\x01\\\"";
    const std::string svg = topology_svg(status), dot = topology_dot(status);
    EXPECT_THAT(svg, Not(HasSubstr("<script>")));
    EXPECT_THAT(svg, HasSubstr("&lt;script&gt;&quot;&amp;?"));
    EXPECT_THAT(dot, HasSubstr("<script>\\\"&"));
}

TEST(Topology, AnEmptyMachineIsAPictureToo) {
    EXPECT_THAT(topology_svg({}), HasSubstr("0 of 0 units contained"));
    EXPECT_THAT(topology_dot({}), HasSubstr("digraph"));
}

}  // namespace
}  // namespace smmu::test

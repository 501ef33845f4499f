// SPDX-License-Identifier: Apache-2.0
// Enumeration of made-up machines: hierarchy, capabilities, registers, and bus numbers that lie.
#include "pci/enumerate.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "fake_config.hpp"

namespace smmu::pci {
namespace {

using test::FakeConfig;
using topology::PciAddress;
using topology::PcieType;
using topology::PciFunction;
using topology::PciTree;

PciTree tree_of(FakeConfig& config, std::vector<platform::EcamWindow> windows = {{0, 0, 0, 255}}) {
    auto tree = enumerate(config, windows);
    EXPECT_TRUE(tree);
    return tree ? *tree : PciTree{};
}

PhysRange range(std::uint64_t first, std::uint64_t last) {
    return {PhysAddr{first}, PhysAddr{last}};
}

TEST(Enumerate, EmptyMachine) {
    FakeConfig config;
    EXPECT_TRUE(tree_of(config).functions.empty());
    EXPECT_TRUE(tree_of(config, {}).functions.empty());
}

TEST(Enumerate, WritesNothing) {
    FakeConfig config;
    config.add({0, 0, 1, 0}).set32(0x10, 0xfe000000);
    FakeConfig::give_access_control(config.add_bridge({0, 0, 2, 0}, 1, 1), 0x1f);
    tree_of(config);
    EXPECT_EQ(config.writes, 0u);
}

TEST(Enumerate, AsksForManyFunctionsInOneTrip) {
    FakeConfig config;
    tree_of(config);
    EXPECT_LE(config.trips, 8u);
    // Each function that answers is read; the functions that a device does not have cost one trip
    // together.
    const unsigned empty = config.trips;
    config.add({0, 0, 31, 0}).bytes[0x0e] = 0x80;
    config.add({0, 0, 31, 7});
    config.trips = 0;
    EXPECT_EQ(tree_of(config).functions.size(), 2u);
    EXPECT_EQ(config.trips, empty + 3);
}

TEST(Enumerate, FunctionsOfOneDevice) {
    FakeConfig config;
    config.add({0, 0, 31, 0}).bytes[0x0e] = 0x80;
    config.add({0, 0, 31, 2});
    config.add({0, 0, 31, 3});
    config.add({0, 0, 4, 0});
    config.add({0, 0, 4, 1});  // not asked for: function 0 says that it is alone
    const PciTree tree = tree_of(config);
    ASSERT_EQ(tree.functions.size(), 4u);
    EXPECT_EQ(tree.functions[0].address, (PciAddress{0, 0, 4, 0}));
    EXPECT_EQ(tree.functions[3].address, (PciAddress{0, 0, 31, 3}));
    EXPECT_TRUE(tree.functions[1].multifunction);
    EXPECT_EQ(tree.functions[1].vendor, 0x1234);
    EXPECT_EQ(tree.functions[1].device, 0x11e8);
    EXPECT_EQ(tree.functions[1].class_code, 0x00ff00u);
}

TEST(Enumerate, BridgesAndSegments) {
    FakeConfig config;
    FakeConfig::make_express(config.add_bridge({0, 0, 1, 0}, 1, 3), 4);
    FakeConfig::make_express(config.add_bridge({0, 1, 0, 0}, 2, 2), 7);
    config.add({0, 2, 2, 0});
    config.add({5, 0x40, 0, 0});
    config.add({5, 0x3f, 0, 0});  // outside the window
    const PciTree tree = tree_of(config, {{0, 0, 0, 255}, {0, 5, 0x40, 0x7f}});
    ASSERT_EQ(tree.functions.size(), 4u);
    EXPECT_EQ(tree.functions[0].type, PcieType::root_port);
    EXPECT_TRUE(tree.functions[0].is_port());
    EXPECT_EQ(tree.functions[1].type, PcieType::pcie_to_pci_bridge);
    EXPECT_EQ(tree.functions[2].type, PcieType::conventional);
    EXPECT_EQ(tree.bridge_of(0, 2)->address, (PciAddress{0, 1, 0, 0}));
    EXPECT_EQ(tree.bridge_of(0, 1)->address, (PciAddress{0, 0, 1, 0}));
    EXPECT_EQ(tree.bridge_of(5, 0x40), nullptr);
}

TEST(Enumerate, BusNumbersThatLie) {
    FakeConfig config;
    config.add_bridge({0, 0, 1, 0}, 0, 5);  // leads nowhere
    config.add_bridge({0, 1, 0, 0}, 1, 1);  // to itself
    config.add_bridge({0, 3, 0, 0}, 2, 3);  // up
    config.add_bridge({0, 0, 2, 0}, 9, 4);  // ends before it begins
    config.add_bridge({0, 0, 3, 0}, 3, 3);
    config.add_bridge({0, 0, 4, 0}, 3, 3);  // claimed already
    const PciTree tree = tree_of(config);
    EXPECT_EQ(tree.functions.size(), 6u);
    EXPECT_EQ(std::ranges::count(tree.findings, "pci-bridge-numbers", &topology::Finding::id), 3);
    EXPECT_EQ(std::ranges::count(tree.findings, "pci-bus-claimed-twice", &topology::Finding::id),
              1);
    EXPECT_EQ(tree.bridge_of(0, 1), nullptr);
    EXPECT_EQ(tree.bridge_of(0, 2), nullptr);
    EXPECT_EQ(tree.bridge_of(0, 3)->address, (PciAddress{0, 0, 3, 0}));
}

TEST(Enumerate, WindowsOutOfOrder) {
    FakeConfig config;
    const std::vector<platform::EcamWindow> windows{{0, 0, 9, 8}};
    const auto tree = enumerate(config, windows);
    ASSERT_FALSE(tree);
    EXPECT_EQ(tree.error().code, EINVAL);
    EXPECT_NE(tree.error().text.find("MCFG"), std::string::npos);
}

TEST(Enumerate, OneSegmentInTwoWindowsIsListedOnce) {
    FakeConfig config;
    config.add({0, 0, 1, 0});
    EXPECT_EQ(tree_of(config, {{0, 0, 0, 1}, {0, 0, 0, 1}}).functions.size(), 1u);
}

TEST(Enumerate, Capabilities) {
    FakeConfig config;
    auto& function = config.add({0, 0, 3, 0});
    FakeConfig::make_express(function, 0);
    function.set32(0x44, 1u << 28);
    function.capability(0x05, 0x80);
    function.extended(0x0d, 0x100, 0x140);
    function.set16(0x104, 0x5f);
    function.set16(0x106, 0x1d);
    function.extended(0x0f, 0x140, 0x180);
    function.set16(0x146, 0x8000);
    function.extended(0x13, 0x180, 0x1c0);
    function.set16(0x184, 1);
    function.extended(0x1b, 0x1c0, 0);
    function.set16(0x1c6, 1);
    function.set16(4, 6);
    const PciTree tree = tree_of(config);
    const PciFunction& found = tree.functions.at(0);
    EXPECT_EQ(found.pcie_offset, 0x40);
    EXPECT_TRUE(found.function_reset);
    EXPECT_TRUE(found.message_interrupts);
    EXPECT_TRUE(found.bus_master);
    EXPECT_TRUE(found.memory_decode);
    EXPECT_EQ(found.access_control.offset, 0x100);
    EXPECT_EQ(found.access_control.supported, 0x5f);
    EXPECT_EQ(found.access_control.enabled, 0x1d);
    EXPECT_TRUE(found.ats.enabled);
    EXPECT_TRUE(found.page_request.enabled);
    EXPECT_TRUE(found.pasid.enabled);
}

TEST(Enumerate, CapabilityListsThatLoop) {
    FakeConfig config;
    auto& function = config.add({0, 0, 3, 0});
    FakeConfig::make_express(function, 0);
    function.bytes[0x41] = 0x40;            // leads to itself
    function.extended(0x0d, 0x100, 0x100);  // so does this
    auto& plain = config.add({0, 0, 4, 0});
    plain.bytes[6] = 0x10;
    plain.bytes[0x34] = 0x3c;  // into the header
    const PciTree tree = tree_of(config);
    ASSERT_EQ(tree.functions.size(), 2u);
    EXPECT_EQ(tree.functions[0].access_control.offset, 0x100);
    EXPECT_EQ(tree.functions[1].type, PcieType::conventional);
}

TEST(Enumerate, UndefinedPcieTypeIsAnEndpoint) {
    FakeConfig config;
    FakeConfig::make_express(config.add({0, 0, 3, 0}), 3);
    EXPECT_EQ(tree_of(config).functions.at(0).type, PcieType::endpoint);
}

TEST(Registers, AreBoundedByAlignmentNeighboursAndWindows) {
    FakeConfig config;
    auto& bridge = config.add_bridge({0, 0, 1, 0}, 1, 1);
    bridge.set32(0x20, 0xfe1ffe00);  // fe000000 to fe1fffff
    bridge.set32(0x24, 0x00010001);  // prefetchable, 64 bits: 0x1_00000000 to 0x1_000fffff
    bridge.set32(0x28, 1);
    bridge.set32(0x2c, 1);
    auto& below = config.add({0, 1, 0, 0});
    below.set16(4, 2);
    below.set32(0x10, 0xfe000000);
    below.set32(0x14, 0x0000c001);  // I/O ports
    below.set32(0x18, 0x0000000c);  // 64 bits
    below.set32(0x1c, 1);
    below.set32(0x20, 0xfe100004);  // 64 bits at fe100000
    auto& beside = config.add({0, 0, 2, 0});
    beside.set16(4, 2);
    beside.set32(0x10, 0xfd000000);
    beside.set32(0x14, 0xfd001000);
    beside.set32(0x18, 0x80000000);        // 2 GiB of alignment, up to 4 GiB at most
    auto& off = config.add({0, 0, 3, 0});  // does not decode: bounds nobody
    off.set32(0x10, 0xfd000800);
    const PciTree tree = tree_of(config);
    const auto& below_found = *tree.find({0, 1, 0, 0});
    ASSERT_EQ(below_found.registers.size(), 3u);
    EXPECT_EQ(below_found.registers[0], range(0xfe000000, 0xfe0fffff));    // next BAR
    EXPECT_EQ(below_found.registers[1], range(0x100000000, 0x1000fffff));  // bridge window
    EXPECT_EQ(below_found.registers[2], range(0xfe100000, 0xfe1fffff));    // alignment and window
    const auto& beside_found = *tree.find({0, 0, 2, 0});
    EXPECT_EQ(beside_found.registers[0], range(0xfd000000, 0xfd000fff));
    EXPECT_EQ(beside_found.registers[1], range(0xfd001000, 0xfd001fff));
    EXPECT_EQ(beside_found.registers[2], range(0x80000000, 0xfcffffff));
    EXPECT_EQ(tree.find({0, 0, 3, 0})->registers.at(0), range(0xfd000800, 0xfd000fff));
}

TEST(Registers, UpperHalfThatIsNotThere) {
    FakeConfig config;
    config.add({0, 0, 2, 0}).set32(0x24, 0xfe000004);  // the last BAR cannot be 64 bits wide
    EXPECT_TRUE(tree_of(config).functions.at(0).registers.empty());
}

}  // namespace
}  // namespace smmu::pci

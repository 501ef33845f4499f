// SPDX-License-Identifier: Apache-2.0
// Functions that come and go, functions by alternative routing, and a gate that somebody opens again.
#include "pci/rescan.hpp"

#include <gtest/gtest.h>

#include "fake_config.hpp"
#include "pci/enumerate.hpp"
#include "pci/gate.hpp"

namespace smmu::pci {
namespace {

using test::FakeConfig;
using topology::PciTree;

class Rescanning : public testing::Test {
protected:
    PciTree tree() { return *enumerate(config, windows); }
    // Enough looks for every bus.
    bool notices(Rescan& rescan, const PciTree& known) {
        bool noticed = false;
        for (unsigned i = 0; i < 256 / Rescan::buses_per_look; ++i) noticed = rescan.look(known) || noticed;
        return noticed;
    }
    FakeConfig config;
    std::vector<platform::EcamWindow> windows{{0, 0, 0, 255}};
};

TEST_F(Rescanning, NothingNewIsNoNews) {
    config.add({0, 0, 1, 0});
    config.add({0, 9, 0, 0}).bytes[0x0e] = 0x80;
    config.add({0, 9, 0, 3});
    Rescan rescan(config, windows);
    EXPECT_FALSE(notices(rescan, tree()));
    EXPECT_EQ(config.writes, 0u);
}

TEST_F(Rescanning, AFunctionAppearsOnAnyBus) {
    config.add({0, 0, 1, 0});
    const PciTree known = tree();
    Rescan rescan(config, windows);
    config.add({0, 200, 31, 0});
    EXPECT_TRUE(notices(rescan, known));
    EXPECT_FALSE(notices(rescan, tree()));
}

TEST_F(Rescanning, AFunctionIsGoneWhenItStaysSilent) {
    config.add({0, 0, 1, 0});
    config.add({0, 0, 2, 0});
    const PciTree known = tree();
    Rescan rescan(config, windows);
    const auto sleeping = config.functions.extract({0, 0, 2, 0});
    for (unsigned i = 1; i < Rescan::silent_looks; ++i) EXPECT_FALSE(rescan.look(known));
    EXPECT_TRUE(rescan.look(known));
}

TEST_F(Rescanning, AFunctionThatOnlyResetIsNotGone) {
    config.add({0, 0, 1, 0});
    const PciTree known = tree();
    Rescan rescan(config, windows);
    for (int round = 0; round < 3; ++round) {
        auto silent = config.functions.extract({0, 0, 1, 0});
        for (unsigned i = 1; i < Rescan::silent_looks; ++i) EXPECT_FALSE(rescan.look(known));
        config.functions.insert(std::move(silent));
        EXPECT_FALSE(rescan.look(known));
    }
}

TEST_F(Rescanning, AnotherFunctionInTheSamePlaceIsNotTheKnownOne) {
    config.add({0, 0, 1, 0});
    auto& card = config.add({0, 0, 2, 0});
    const PciTree known = tree();
    Rescan rescan(config, windows);
    EXPECT_FALSE(rescan.look(known));
    card.set16(2, 0x4242);
    EXPECT_TRUE(rescan.look(known));
    EXPECT_EQ(rescan.replaced(), (std::vector<topology::PciAddress>{{0, 0, 2, 0}}));
    EXPECT_FALSE(rescan.look(tree()));
    EXPECT_TRUE(rescan.replaced().empty());
}

void chain(FakeConfig::Function& function, std::uint8_t next) {
    FakeConfig::make_express(function, 0);
    function.extended(0x0e, 0x100, 0);
    function.set32(0x104, std::uint32_t(next) << 8);
}

TEST_F(Rescanning, FunctionsBeyondEightAreFoundAlongTheChain) {
    chain(config.add({0, 1, 0, 0}), 9);
    chain(config.add({0, 1, 1, 1}), 255);  // function 9
    chain(config.add({0, 1, 31, 7}), 0);   // function 255
    const PciTree found = tree();
    ASSERT_EQ(found.functions.size(), 3u);
    for (const topology::PciFunction& function : found.functions) EXPECT_TRUE(function.alternative_routing);
    EXPECT_EQ(found.functions[1].address.requester_id(), StreamId{0x109});
}

TEST_F(Rescanning, AChainThatLeadsBackEnds) {
    chain(config.add({0, 1, 0, 0}), 9);
    chain(config.add({0, 1, 1, 1}), 9);
    EXPECT_EQ(tree().functions.size(), 2u);
    chain(config.add({0, 1, 1, 1}), 1);
    EXPECT_EQ(tree().functions.size(), 2u);
}

TEST_F(Rescanning, AGateThatSomebodyOpenedIsPutBack) {
    auto& port = config.add_bridge({0, 0, 1, 0}, 1, 1);
    FakeConfig::make_express(port, 4);
    FakeConfig::give_access_control(port, 0x1f);
    PciTree known = tree();
    gate(config, known);
    EXPECT_TRUE(put_gate_back(config, known).empty());
    port.set16(0x106, 0);
    const auto changes = put_gate_back(config, known);
    ASSERT_EQ(changes.size(), 1u);
    EXPECT_NE(changes.front().find("0000:00:01.0"), std::string::npos);
    EXPECT_NE(changes.front().find("put back"), std::string::npos);
    EXPECT_TRUE(put_gate_back(config, known).empty());
    port.set16(0x106, std::uint16_t(port.get32(0x104) >> 16 | 0x20));  // a bit more than was set
    EXPECT_EQ(put_gate_back(config, known).size(), 1u);
    EXPECT_TRUE(put_gate_back(config, known).empty());
    port.set16(0x106, 0);
    port.access_control_kept = 0;
    EXPECT_NE(put_gate_back(config, known).front().find("CANNOT"), std::string::npos);
}

}  // namespace
}  // namespace smmu::pci

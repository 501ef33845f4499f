// SPDX-License-Identifier: Apache-2.0
// The gate: access control on, translation services off, what does not follow is said; bus master
// off.
#include "pci/gate.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "fake_config.hpp"
#include "pci/enumerate.hpp"

namespace smmu::pci {
namespace {

using test::FakeConfig;
using topology::PciAddress;
using topology::PciTree;

PciTree gated(FakeConfig& config) {
    const std::vector<platform::EcamWindow> windows{{0, 0, 0, 255}};
    auto tree = enumerate(config, windows);
    EXPECT_TRUE(tree);
    gate(config, *tree);
    return *tree;
}

bool has_finding(const PciTree& tree, std::string_view id) {
    return std::ranges::find(tree.findings, id, &topology::Finding::id) != tree.findings.end();
}

TEST(Gate, LooksAtAllFunctionsInOneTripBeforeAndOneAfter) {
    FakeConfig config;
    for (std::uint8_t device = 1; device < 20; ++device) config.add({0, 0, device, 0});
    const std::vector<platform::EcamWindow> windows{{0, 0, 0, 255}};
    auto tree = enumerate(config, windows);
    ASSERT_TRUE(tree);
    config.trips = 0;
    gate(config, *tree);
    EXPECT_EQ(config.trips, 2u);
}

TEST(Gate, SetsWhatIsSupportedAndNothingElse) {
    FakeConfig config;
    auto& port = config.add_bridge({0, 0, 1, 0}, 1, 1);
    FakeConfig::make_express(port, 4);
    FakeConfig::give_access_control(port, 0x7f);
    port.set16(0x106, 0x60);  // egress control and direct translated: on before us
    auto& partly = config.add_bridge({0, 0, 2, 0}, 2, 2);
    FakeConfig::make_express(partly, 4);
    FakeConfig::give_access_control(partly, 0x05);
    const PciTree tree = gated(config);
    EXPECT_TRUE(tree.gated);
    EXPECT_EQ(tree.functions[0].access_control.enabled, 0x1f);
    EXPECT_EQ(tree.functions[1].access_control.enabled, 0x05);
    EXPECT_TRUE(tree.findings.empty());
}

TEST(Gate, SaysWhatDoesNotKeep) {
    FakeConfig config;
    auto& port = config.add_bridge({0, 0, 1, 0}, 1, 1);
    FakeConfig::make_express(port, 4);
    FakeConfig::give_access_control(port, 0x1f, 0x1e);
    const PciTree tree = gated(config);
    EXPECT_EQ(tree.functions[0].access_control.enabled, 0x1e);
    EXPECT_TRUE(has_finding(tree, "pci-acs-refused"));
}

void give_services(FakeConfig::Function& function, bool keeps) {
    FakeConfig::make_express(function, 0);
    function.extended(0x0f, 0x100, 0x140);
    function.set16(0x106, 0x8003);  // enable, and a smallest unit that stays
    function.extended(0x13, 0x140, 0x180);
    function.set16(0x144, 1);
    function.extended(0x1b, 0x180, 0);
    function.set16(0x186, 7);
    if (keeps) return;
    function.let_write(0x106, 2);
    function.let_write(0x144, 2);
    function.let_write(0x186, 2);
}

TEST(Gate, TurnsAddressTranslationOffThatIsOnAlone) {
    FakeConfig config;
    auto& function = config.add({0, 0, 3, 0});
    FakeConfig::make_express(function, 0);
    function.extended(0x0f, 0x100, 0);
    function.set16(0x106, 0x8003);
    function.let_write(0x106, 2);
    const PciTree tree = gated(config);
    EXPECT_FALSE(tree.functions[0].ats.enabled);
    EXPECT_EQ(function.get32(0x104) >> 16, 0x0003u);
    EXPECT_TRUE(tree.findings.empty());
}

TEST(Gate, TurnsTranslationServicesOff) {
    FakeConfig config;
    auto& function = config.add({0, 0, 3, 0});
    give_services(function, false);
    const PciTree tree = gated(config);
    EXPECT_FALSE(tree.functions[0].ats.enabled);
    EXPECT_FALSE(tree.functions[0].page_request.enabled);
    EXPECT_FALSE(tree.functions[0].pasid.enabled);
    EXPECT_EQ(function.get32(0x104) >> 16, 3u);
    EXPECT_EQ(function.get32(0x184) >> 16, 6u);
    EXPECT_TRUE(tree.findings.empty());
}

TEST(Gate, SaysWhenTheyStayOn) {
    FakeConfig config;
    give_services(config.add({0, 0, 3, 0}), true);
    EXPECT_TRUE(has_finding(gated(config), "pci-translation-service-on"));
}

TEST(BusMaster, GoesOffAndOnlyThatBit) {
    FakeConfig config;
    auto& function = config.add({0, 0, 3, 0});
    function.set32(4, 0xf9000407);
    EXPECT_TRUE(bus_master_off(config, {0, 0, 3, 0}));
    EXPECT_EQ(function.get32(4), 0xf9000403u);
    const unsigned before = config.writes;
    EXPECT_TRUE(bus_master_off(config, {0, 0, 3, 0}));
    EXPECT_EQ(config.writes, before);
    EXPECT_TRUE(bus_master_off(config, {0, 0, 9, 0}));  // not there
}

TEST(BusMaster, SaysWhenItStaysOn) {
    FakeConfig config;
    auto& function = config.add({0, 0, 3, 0});
    function.set32(4, 4);
    function.writable.assign(4096, false);
    EXPECT_FALSE(bus_master_off(config, {0, 0, 3, 0}));
}

}  // namespace
}  // namespace smmu::pci

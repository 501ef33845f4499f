// SPDX-License-Identifier: Apache-2.0
// Which unit a device goes through, under which ids, and who shares a group.
#include <gtest/gtest.h>

#include "machine.hpp"

namespace smmu::survey {
namespace {

using test::device_of;
using test::finding_of;
using test::Machine;
using test::same_group;
using test::streams_of;
using topology::PciAddress;
using topology::PcieType;

constexpr PciAddress edu{0, 0, 3, 0};

// The q35 board: a device on the root bus, a port with a device, a port with a bridge to PCI and
// two devices behind it.
Machine q35() {
    Machine machine;
    machine.add({0, 0, 0, 0}, PcieType::conventional).class_code = 0x060000;
    machine.add(edu, PcieType::conventional);
    machine.add_bridge({0, 0, 4, 0}, PcieType::root_port, 1, 1);
    machine.add({0, 1, 0, 0});
    machine.add_bridge({0, 0, 5, 0}, PcieType::root_port, 2, 3);
    machine.add_bridge({0, 2, 0, 0}, PcieType::pcie_to_pci_bridge, 3, 3, false);
    machine.add({0, 3, 2, 0}, PcieType::conventional);
    machine.add({0, 3, 3, 0}, PcieType::conventional);
    machine.dmar.drhd(0xfed90000, true, {{3, 0xff, {{0, 0}}}});
    return machine;
}

TEST(Survey, BoardQ35) {
    Machine machine = q35();
    const auto topology = machine.survey();
    ASSERT_EQ(topology.units.size(), 1u);
    EXPECT_EQ(topology.units[0].name, "vtd@fed90000");
    EXPECT_EQ(topology.units[0].registers, (PhysRange{PhysAddr{0xfed90000}, PhysAddr{0xfed90fff}}));
    EXPECT_EQ(topology.units[0].origin.text, "DMAR+0x30");
    EXPECT_TRUE(topology.units[0].answers);
    EXPECT_EQ(streams_of(topology, edu), "0:18");
    EXPECT_EQ(streams_of(topology, PciAddress{0, 1, 0, 0}), "0:100");
    EXPECT_EQ(device_of(topology, edu)->description, "1234:11e8 class 00ff00");
    EXPECT_EQ(device_of(topology, edu)->streams[0].origin.text, "DMAR+0x30, PCI 0000:00:03.0");
    EXPECT_FALSE(device_of(topology, edu)->is_bridge);
    EXPECT_TRUE(device_of(topology, PciAddress{0, 0, 0, 0})->is_bridge);
    EXPECT_TRUE(device_of(topology, PciAddress{0, 0, 4, 0})->is_bridge);
    EXPECT_EQ(topology.findings.size(), 0u);
    // Devices are ascending by id and know their groups, and the groups them.
    EXPECT_TRUE(std::ranges::is_sorted(topology.devices, {}, &topology::Device::id));
    std::size_t members = 0;
    for (std::size_t i = 0; i < topology.groups.size(); ++i)
        for (const DeviceIndex member : topology.groups[i].devices) {
            EXPECT_EQ(raw(topology.device(member).group), i);
            ++members;
        }
    EXPECT_EQ(members, topology.devices.size());
}

TEST(Survey, AliasesBehindABridgeToPci) {
    Machine machine = q35();
    const auto topology = machine.survey();
    EXPECT_EQ(streams_of(topology, PciAddress{0, 3, 2, 0}), "0:310 0:200 0:300");
    EXPECT_EQ(streams_of(topology, PciAddress{0, 2, 0, 0}), "0:200 0:300");
    EXPECT_TRUE(same_group(topology, {0, 3, 2, 0}, {0, 3, 3, 0}));
    EXPECT_TRUE(same_group(topology, {0, 3, 2, 0}, {0, 2, 0, 0}));
    EXPECT_FALSE(same_group(topology, {0, 3, 2, 0}, {0, 0, 5, 0}));
    EXPECT_FALSE(same_group(topology, {0, 3, 2, 0}, edu));
    const auto& group = topology.group(device_of(topology, PciAddress{0, 3, 2, 0})->group);
    EXPECT_EQ(group.devices.size(), 3u);
    EXPECT_NE(group.reason.find("share stream 0x200 of vtd@fed90000"), std::string::npos)
        << group.reason;
    EXPECT_TRUE(topology.group(device_of(topology, edu)->group).reason.empty());
}

TEST(Survey, ConventionalBridgeUsesItsOwnId) {
    Machine machine;
    machine.add_bridge({0, 0, 30, 0}, PcieType::conventional, 5, 5, false);
    machine.add({0, 5, 1, 0}, PcieType::conventional);
    machine.dmar.drhd(0xfed90000, true, {});
    EXPECT_EQ(streams_of(machine.survey(), PciAddress{0, 5, 1, 0}), "0:508 0:f0");
}

TEST(Groups, PortsWithoutAccessControlJoinWhatIsBelow) {
    Machine machine;
    machine.add_bridge({0, 0, 1, 0}, PcieType::root_port, 1, 1, false);
    machine.add({0, 1, 0, 0});
    machine.add_bridge({0, 0, 2, 0}, PcieType::root_port, 2, 2).access_control.enabled =
        0x1e;  // no SV
    machine.add({0, 2, 0, 0});
    machine.add_bridge({0, 0, 3, 0}, PcieType::root_port, 3, 3);
    machine.add({0, 3, 0, 0});
    machine.dmar.drhd(0xfed90000, true, {});
    const auto topology = machine.survey();
    EXPECT_TRUE(same_group(topology, {0, 1, 0, 0}, {0, 0, 1, 0}));
    EXPECT_TRUE(same_group(topology, {0, 2, 0, 0}, {0, 0, 2, 0}));
    EXPECT_FALSE(same_group(topology, {0, 3, 0, 0}, {0, 0, 3, 0}));
    EXPECT_FALSE(same_group(topology, {0, 1, 0, 0}, {0, 2, 0, 0}));
    EXPECT_EQ(
        std::ranges::count(topology.findings, "port-no-source-validation", &topology::Finding::id),
        2);
}

TEST(Groups, BeforeTheGateWhatCouldBeSetCounts) {
    Machine machine;
    machine.add_bridge({0, 0, 1, 0}, PcieType::root_port, 1, 1).access_control = {0x100, 0x1f, 0};
    machine.add({0, 1, 0, 0});
    machine.dmar.drhd(0xfed90000, true, {});
    EXPECT_TRUE(same_group(machine.survey(), {0, 1, 0, 0}, {0, 0, 1, 0}));
    machine.pci.gated = false;
    EXPECT_FALSE(same_group(machine.survey(), {0, 1, 0, 0}, {0, 0, 1, 0}));
}

// Root port 0:1.0, switch 1:0.0 with ports 2:0.0 and 2:1.0, a device below each.
Machine with_switch(bool first_isolates, bool second_isolates) {
    Machine machine;
    machine.add_bridge({0, 0, 1, 0}, PcieType::root_port, 1, 4);
    machine.add_bridge({0, 1, 0, 0}, PcieType::switch_upstream, 2, 4, false);
    machine.add_bridge({0, 2, 0, 0}, PcieType::switch_downstream, 3, 3, first_isolates);
    machine.add_bridge({0, 2, 1, 0}, PcieType::switch_downstream, 4, 4, second_isolates);
    machine.add({0, 3, 0, 0});
    machine.add({0, 4, 0, 0});
    machine.dmar.drhd(0xfed90000, true, {});
    return machine;
}

TEST(Groups, SwitchIsAsGoodAsItsWorstPort) {
    EXPECT_FALSE(same_group(with_switch(true, true).survey(), {0, 3, 0, 0}, {0, 4, 0, 0}));
    EXPECT_TRUE(same_group(with_switch(true, false).survey(), {0, 3, 0, 0}, {0, 4, 0, 0}));
    EXPECT_TRUE(same_group(with_switch(false, false).survey(), {0, 3, 0, 0}, {0, 4, 0, 0}));
    EXPECT_FALSE(same_group(with_switch(false, false).survey(), {0, 3, 0, 0}, {0, 0, 1, 0}));
}

TEST(Groups, FunctionsOfOneDevice) {
    Machine machine;
    machine.add({0, 0, 31, 0}, PcieType::conventional);
    machine.add({0, 0, 31, 2}, PcieType::conventional);
    machine.add({0, 0, 30, 0});
    machine.add({0, 0, 30, 1});
    for (std::uint8_t function = 0; function < 2; ++function)
        machine.add({0, 0, 29, function}).access_control = {0x100, 0x1c,
                                                            0x1c};  // all that it has is on
    machine.add({0, 0, 28, 0}).access_control = {0x100, 0x1c, 0x0c};
    machine.add({0, 0, 28, 1}).access_control = {0x100, 0x1c, 0x1c};
    machine.add({0, 0, 28, 2}).access_control = {0x100, 0x1c, 0x00};
    machine.dmar.drhd(0xfed90000, true, {});
    const auto topology = machine.survey();
    EXPECT_TRUE(same_group(topology, {0, 0, 31, 0}, {0, 0, 31, 2}));
    EXPECT_TRUE(same_group(topology, {0, 0, 30, 0}, {0, 0, 30, 1}));
    EXPECT_FALSE(same_group(topology, {0, 0, 29, 0}, {0, 0, 29, 1}));
    EXPECT_FALSE(same_group(topology, {0, 0, 28, 0}, {0, 0, 28, 1}));
    EXPECT_TRUE(same_group(topology, {0, 0, 28, 0}, {0, 0, 28, 2}));
}

TEST(Scopes, ExplicitThenBridgeAboveThenTheRest) {
    Machine machine;
    machine.add({0, 0, 2, 0});
    machine.add_bridge({0, 0, 1, 0}, PcieType::root_port, 1, 2);
    machine.add_bridge({0, 1, 0, 0}, PcieType::switch_upstream, 2, 2);
    machine.add({0, 2, 3, 0});
    machine.add({0, 2, 4, 0});
    machine.add({0, 0, 20, 0});
    machine.add({1, 0, 20, 0});
    machine.dmar.drhd(0xfed90000, false, {{1, 0, {{2, 0}}}})
        .drhd(0xfed91000, false, {{2, 0, {{1, 0}}}})
        .drhd(0xfed92000, false, {{1, 0, {{1, 0}, {0, 0}, {4, 0}}}})  // two bridges down
        .drhd(0xfed93000, true, {})
        .drhd(0xfed94000, false, {{1, 9, {{9, 0}}}});
    const auto topology = machine.survey();
    EXPECT_EQ(streams_of(topology, PciAddress{0, 0, 2, 0}), "0:10");
    EXPECT_EQ(streams_of(topology, PciAddress{0, 0, 1, 0}), "1:8");
    EXPECT_EQ(streams_of(topology, PciAddress{0, 1, 0, 0}), "1:100");
    EXPECT_EQ(streams_of(topology, PciAddress{0, 2, 3, 0}), "1:218");
    EXPECT_EQ(streams_of(topology, PciAddress{0, 2, 4, 0}), "2:220");
    EXPECT_EQ(streams_of(topology, PciAddress{0, 0, 20, 0}), "3:a0");
    EXPECT_EQ(streams_of(topology, PciAddress{1, 0, 20, 0}), "");
    EXPECT_NE(finding_of(topology, "device-no-unit"), nullptr);
    EXPECT_EQ(finding_of(topology, "device-no-unit")->origin.text, "PCI 0001:00:14.0");
    EXPECT_NE(finding_of(topology, "dmar-scope-nothing-there"), nullptr);
    EXPECT_NE(finding_of(topology, "dmar-include-all-not-last"), nullptr);
}

TEST(Scopes, Contradictions) {
    Machine machine;
    machine.add(edu);
    machine.dmar.drhd(0xfed90000, true, {{1, 0, {{3, 0}}}})
        .drhd(0xfed91000, true, {{1, 0, {{3, 0}}}});
    const auto topology = machine.survey();
    EXPECT_EQ(streams_of(topology, edu), "0:18");
    EXPECT_NE(finding_of(topology, "dmar-scope-twice"), nullptr);
    EXPECT_NE(finding_of(topology, "dmar-include-all-twice"), nullptr);
}

TEST(Scopes, DevicesThatOnlyAcpiKnows) {
    Machine machine;
    machine.add(edu);
    machine.dmar.drhd(0xfed90000, true, {{5, 0, {{21, 1}}, 7}, {5, 0, {{22, 0}}, 8}})
        .andd(7, "\\_SB.I2C0");
    const auto topology = machine.survey();
    EXPECT_EQ(streams_of(topology, PciAddress{0, 0, 21, 1}), "0:a9");
    EXPECT_EQ(device_of(topology, PciAddress{0, 0, 21, 1})->description, "ACPI \\_SB.I2C0");
    EXPECT_EQ(device_of(topology, PciAddress{0, 0, 22, 0})->description, "ACPI device");
    EXPECT_NE(finding_of(topology, "dmar-namespace-no-andd"), nullptr);
}

TEST(Units, ByHandReplaceAndAdd) {
    Machine machine;
    machine.add(edu);
    machine.add({0, 0, 4, 0});
    machine.dmar.drhd(0xfed90000, true, {});
    machine.register_windows = {{PhysAddr{0xfed90000}, 0x2000}};
    machine.silent_units = {PhysAddr{0xfed95000}};
    const auto topology = machine.survey(
        "smmu vtd unit first fed90000 unit second fed95000 device pci:0:4.0 use second device "
        "pci:0:9.0 use first");
    ASSERT_EQ(topology.units.size(), 2u);
    EXPECT_EQ(topology.units[0].name, "first");
    EXPECT_EQ(topology.units[0].registers.length(), 0x2000u);
    EXPECT_EQ(topology.units[0].origin.text, "command line:1:10");
    EXPECT_FALSE(topology.units[1].answers);
    EXPECT_NE(finding_of(topology, "unit-silent"), nullptr);
    EXPECT_EQ(streams_of(topology, edu), "0:18");
    EXPECT_EQ(streams_of(topology, PciAddress{0, 0, 4, 0}), "1:20");
    EXPECT_EQ(streams_of(topology, PciAddress{0, 0, 9, 0}), "0:48");  // not there yet
    EXPECT_NE(finding_of(topology, "device-not-present"), nullptr);
    ASSERT_EQ(topology.superseded.size(), 2u);
    EXPECT_EQ(topology.superseded[0].fact, "unit vtd@fed90000 at 0xfed90000");
    EXPECT_EQ(topology.superseded[0].by.text, "command line:1:10");
    EXPECT_EQ(topology.superseded[1].fact, "stream 0x20 of first");
}

TEST(Units, MergeKeepsBoth) {
    Machine machine;
    machine.add(edu);
    machine.dmar.drhd(0xfed90000, true, {});
    const auto topology = machine.survey(
        "combine merge smmu vtd unit second fed95000 device pci:0:3.0 use second use vtd@fed90000");
    EXPECT_EQ(streams_of(topology, edu), "0:18 1:18");
    EXPECT_TRUE(topology.superseded.empty());
    EXPECT_EQ(finding_of(topology, "stream-contradiction"), nullptr);
}

TEST(Units, MergeNamesContradictions) {
    Machine machine;
    machine.add(edu);
    machine.dmar.drhd(0xfed90000, true, {});
    // The same registers, said to be another kind, with another stream.
    const auto topology =
        machine.survey("combine merge smmu riscv unit rv fed90000 device pci:0:3.0 use rv 77");
    const auto* finding = finding_of(topology, "stream-contradiction");
    ASSERT_NE(finding, nullptr);
    EXPECT_NE(finding->text.find("DMAR+0x30"), std::string::npos) << finding->text;
    EXPECT_EQ(finding->severity, topology::Severity::error);
}

TEST(Units, OtherKindsByHand) {
    Machine machine;
    machine.has_dmar = false;
    const auto topology = machine.survey(
        "smmu rcar3 e67b0000,228,18 unit vi0 febd0000,14 device mem:e6ef0000,4K use vi0 0 device "
        "mem:e6ef1000 use vi0 0 "
        "smmu virtio unit vio 10007000 device mem:10008000 use vio");
    EXPECT_EQ(streams_of(topology, topology::MmioBlock{PhysAddr{0xe6ef0000}, 4096}), "0:0");
    EXPECT_EQ(topology.devices[1].group, topology.devices[2].group);
    EXPECT_EQ(topology.group(topology.device(DeviceIndex{1}).group).devices.size(), 2u);
    EXPECT_EQ(
        device_of(topology, topology::MmioBlock{PhysAddr{0xe6ef0000}, 4096})->registers.size(), 1u);
    EXPECT_NE(finding_of(topology, "stream-missing"), nullptr);
    for (const auto& part : topology.protected_memory)
        EXPECT_TRUE(part.what.starts_with("registers of") || part.what == "power control of the chip") << part.what;
}

TEST(Units, WrongUses) {
    Machine machine;
    machine.add(edu);
    machine.dmar.drhd(0xfed90000, true, {});
    const auto topology = machine.survey(
        "smmu vtd device mem:1000 use vtd@fed90000 device pci:0:3.0 use vtd@fed90000 5 device "
        "pci:0:4.0 use nobody");
    EXPECT_EQ(std::ranges::count(topology.findings, "vtd-stream-unusable", &topology::Finding::id),
              2);
    EXPECT_NE(finding_of(topology, "unit-unknown"), nullptr);
    EXPECT_EQ(streams_of(topology, edu), "");
}

TEST(Units, NoneAtAll) {
    Machine machine;
    machine.has_dmar = false;
    machine.add(edu);
    EXPECT_NE(finding_of(machine.survey(), "no-units"), nullptr);
    EXPECT_EQ(finding_of(machine.survey(), "device-no-unit"), nullptr);
    EXPECT_EQ(finding_of(machine.survey(), "dmar-missing"), nullptr);
    EXPECT_NE(finding_of(machine.survey("smmu vtd require"), "dmar-missing"), nullptr);
}

TEST(Units, RegistersOverlap) {
    Machine machine;
    machine.dmar.drhd(0xfed90000, false, {}).drhd(0xfed91000, true, {});
    EXPECT_EQ(finding_of(machine.survey(), "unit-registers-overlap"), nullptr);
    machine.register_windows = {{PhysAddr{0xfed90000}, 0x2000}};
    EXPECT_NE(finding_of(machine.survey(), "unit-registers-overlap"), nullptr);
}

TEST(Units, KindThatNobodyAskedFor) {
    Machine machine;
    machine.dmar.drhd(0xfed90000, true, {});
    EXPECT_NE(finding_of(machine.survey("smmu amdvi"), "unit-kind-not-asked-for"), nullptr);
}

TEST(Tables, RefusedAndIgnored) {
    Machine machine;
    machine.add(edu);
    machine.dmar.drhd(0xfed90000, true, {});
    const auto bytes = [&] {
        auto table = machine.dmar.table();
        table[9] ^= std::byte{1};
        return table;
    }();
    const auto survey_with = [&](const std::string& words) {
        const std::vector<std::string> arguments{words};
        const auto parsed = config::parse(arguments, {}, config::Edition::plain);
        return survey({{{"DMAR", bytes}, {"MCFG", bytes}},
                       machine.pci,
                       parsed.configuration,
                       {},
                       {},
                       {},
                       {}});
    };
    const auto refused = survey_with("smmu vtd");
    ASSERT_NE(finding_of(refused, "dmar-refused"), nullptr);
    EXPECT_EQ(finding_of(refused, "dmar-refused")->severity, topology::Severity::error);
    EXPECT_NE(finding_of(refused, "mcfg-refused"), nullptr);
    const auto by_hand = survey_with("smmu vtd unit u fed90000 device pci:0:3.0 use u");
    EXPECT_EQ(finding_of(by_hand, "dmar-refused")->severity, topology::Severity::warning);
    EXPECT_EQ(streams_of(by_hand, edu), "0:18");
    EXPECT_EQ(finding_of(survey_with("smmu vtd unit u fed90000"), "dmar-refused")->severity,
              topology::Severity::error);
    EXPECT_EQ(finding_of(survey_with("smmu vtd ignore unit u fed90000"), "dmar-refused"), nullptr);
}

}  // namespace
}  // namespace smmu::survey

// SPDX-License-Identifier: Apache-2.0
// Reserved regions, startup mappings and protected memory.
#include <gtest/gtest.h>

#include "machine.hpp"

namespace smmu::survey {
namespace {

using test::device_of;
using test::finding_of;
using test::Machine;
using topology::Grant;
using topology::PciAddress;
using topology::PcieType;

constexpr PciAddress usb{0, 0, 20, 0};

PhysRange range(std::uint64_t first, std::uint64_t last) {
    return {PhysAddr{first}, PhysAddr{last}};
}

Machine with_region(std::uint64_t first, std::uint64_t last) {
    Machine machine;
    machine.add(usb);
    machine.dmar.drhd(0xfed90000, true, {}).rmrr(first, last, {{1, 0, {{20, 0}}}});
    return machine;
}

const Grant& only_grant(const topology::Topology& topology) {
    const auto& grants = device_of(topology, usb)->grants;
    EXPECT_EQ(grants.size(), 1u);
    return grants.at(0);
}

TEST(Reserved, OutsidePlainMemoryIsHonoured) {
    Machine machine = with_region(0x80000000, 0x8000ffff);
    const auto topology = machine.survey();
    const Grant& grant = only_grant(topology);
    EXPECT_EQ(grant.kind, Grant::Kind::reserved);
    EXPECT_EQ(grant.range, range(0x80000000, 0x8000ffff));
    EXPECT_TRUE(grant.honoured);
    EXPECT_EQ(grant.origin.text, "DMAR+0x40");
    EXPECT_TRUE(topology.findings.empty());
}

TEST(Reserved, InPlainMemoryStaysBlockedUntilConfirmed) {
    Machine machine = with_region(0x7fff0000, 0x8000ffff);
    const auto topology = machine.survey();
    EXPECT_FALSE(only_grant(topology).honoured);
    const auto* finding = finding_of(topology, "reserved-not-honoured");
    ASSERT_NE(finding, nullptr);
    EXPECT_NE(finding->text.find("device 0000:00:14.0 reserved 0x7fff0000,128K,rw"), std::string::npos)
        << finding->text;
    EXPECT_NE(finding->text.find("0000:00:14.0"), std::string::npos);

    const auto confirmed = machine.survey("smmu vtd device pci:0:20.0 reserved 0x7fff0000,131072");
    EXPECT_TRUE(only_grant(confirmed).honoured);
    EXPECT_EQ(finding_of(confirmed, "reserved-not-honoured"), nullptr);
    ASSERT_EQ(confirmed.superseded.size(), 1u);
    EXPECT_EQ(confirmed.superseded[0].origin.text, "DMAR+0x40");

    const auto none = machine.survey("smmu vtd device pci:0:20.0 reserved none");
    EXPECT_TRUE(device_of(none, usb)->grants.empty());
    EXPECT_EQ(none.superseded.size(), 1u);
}

TEST(Reserved, SizeLimit) {
    EXPECT_TRUE(only_grant(with_region(0x80000000, 0x8fffffff).survey()).honoured);
    EXPECT_FALSE(only_grant(with_region(0x80000000, 0x90000000).survey()).honoured);
    EXPECT_FALSE(only_grant(with_region(0x80000000, ~std::uint64_t{0}).survey()).honoured);
}

TEST(Reserved, NeverProtectedMemory) {
    const auto topology = with_region(0xfed90000, 0xfed90fff).survey();
    EXPECT_FALSE(only_grant(topology).honoured);
    const std::string& text = finding_of(topology, "reserved-not-honoured")->text;
    EXPECT_NE(text.find("registers of vtd@fed90000"), std::string::npos);
    EXPECT_EQ(text.find("add:"), std::string::npos) << "no line would open it: " << text;
    const auto large = with_region(0x80000000, ~std::uint64_t{0}).survey();
    EXPECT_EQ(finding_of(large, "reserved-not-honoured")->text.find("add:"), std::string::npos) << "it holds protected memory, too";
}

// A clause that overrides speaks for all regions of the device: what is advised keeps those that are open, and works.
TEST(Reserved, AdviceKeepsTheRegionsThatAreOpen) {
    Machine machine = with_region(0x7fff0000, 0x7fffffff);
    machine.dmar.rmrr(0x80000000, 0x8000ffff, {{1, 0, {{20, 0}}}});  // behind the closed one
    const std::string line = "device 0000:00:14.0 reserved 0x80000000,64K,rw reserved 0x7fff0000,64K,rw";
    const auto topology = machine.survey();
    EXPECT_TRUE(finding_of(topology, "reserved-not-honoured")->text.ends_with("add: " + line))
        << finding_of(topology, "reserved-not-honoured")->text;
    const auto followed = machine.survey("smmu vtd " + line);
    EXPECT_EQ(device_of(followed, usb)->grants.size(), 2u);
    EXPECT_EQ(finding_of(followed, "reserved-not-honoured"), nullptr);

    const std::string added = "device 0000:00:14.0 reserved 0x7fff0000,64K,rw";
    const auto merged = machine.survey("combine merge smmu vtd");
    EXPECT_TRUE(finding_of(merged, "reserved-not-honoured")->text.ends_with("add: " + added));
    EXPECT_EQ(finding_of(machine.survey("combine merge smmu vtd " + added), "reserved-not-honoured"), nullptr);
}

TEST(Reserved, MergeAddsAndConfirms) {
    Machine machine = with_region(0x1000, 0x1fff);
    const auto covered = machine.survey("combine merge smmu vtd device pci:0:20.0 reserved 0,1M");
    EXPECT_EQ(device_of(covered, usb)->grants.size(), 2u);
    for (const Grant& grant : device_of(covered, usb)->grants) EXPECT_TRUE(grant.honoured);
    const auto beside = machine.survey("combine merge smmu vtd device pci:0:20.0 reserved 2000,4K");
    EXPECT_FALSE(device_of(beside, usb)->grants[0].honoured);
    EXPECT_NE(finding_of(beside, "reserved-not-honoured"), nullptr);
}

TEST(Reserved, BelowABridgeAndForNobody) {
    Machine machine;
    machine.add_bridge({0, 0, 1, 0}, PcieType::root_port, 1, 1);
    machine.add({0, 1, 0, 0});
    machine.add(usb);
    machine.dmar.drhd(0xfed90000, true, {})
        .rmrr(0x80000000, 0x80000fff, {{2, 0, {{1, 0}}}})
        .rmrr(0x80001000, 0x80001fff, {{1, 0, {{1, 0}, {0, 0}}}})
        .rmrr(0x80002000, 0x80002fff, {{1, 0, {{9, 0}}}});
    const auto topology = machine.survey();
    EXPECT_EQ(device_of(topology, PciAddress{0, 1, 0, 0})->grants.size(), 2u);
    EXPECT_EQ(device_of(topology, PciAddress{0, 0, 1, 0})->grants.size(), 1u);
    EXPECT_TRUE(device_of(topology, usb)->grants.empty());
    EXPECT_NE(finding_of(topology, "reserved-no-device"), nullptr);
}

TEST(Startup, AllowSetsBecomeGrants) {
    Machine machine;
    machine.add(usb);
    machine.dmar.drhd(0xfed90000, true, {});
    const auto topology =
        machine.survey("smmu vtd device pci:0:20.0 a allow a 1000,4K,r allow a 3000,4K");
    const auto& grants = device_of(topology, usb)->grants;
    ASSERT_EQ(grants.size(), 2u);
    EXPECT_EQ(grants[0].kind, Grant::Kind::startup);
    EXPECT_EQ(grants[0].range, range(0x1000, 0x1fff));
    EXPECT_EQ(grants[0].access, Access::read);
    EXPECT_EQ(grants[0].origin.text, "command line:1:28 (a at command line:1:38)");
    EXPECT_TRUE(topology.findings.empty());
}

TEST(Startup, ProtectedPartsAreNamed) {
    Machine machine;
    machine.add(usb);
    machine.dmar.drhd(0xfed90000, true, {});
    machine.table_memory = {range(0x40000000, 0x401fffff)};
    const auto topology =
        machine.survey("smmu vtd device pci:0:20.0 a reserved fec00000,4K allow a 0x40000000,4K");
    ASSERT_NE(finding_of(topology, "startup-protected"), nullptr);
    EXPECT_NE(finding_of(topology, "startup-protected")->text.find("table memory"),
              std::string::npos);
    EXPECT_NE(finding_of(topology, "reserved-protected"), nullptr);
}

TEST(Startup, HostReachesAllMemoryAndBlockedNothing) {
    Machine machine;
    machine.add(usb);
    machine.add({0, 0, 21, 0});
    machine.ram = {range(0, 0x9ffff), range(0x100000, 0x7fffffff)};
    machine.dmar.drhd(0xfed90000, true, {});
    const auto topology =
        machine.survey("smmu vtd device pci:0:20.0 host device pci:0:21.0 blocked");
    EXPECT_TRUE(device_of(topology, usb)->host);
    ASSERT_EQ(device_of(topology, usb)->grants.size(), 2u);
    EXPECT_EQ(device_of(topology, usb)->grants[1].range, range(0x100000, 0x7fffffff));
    EXPECT_EQ(device_of(topology, usb)->grants[1].kind, Grant::Kind::startup);
    const auto* blocked = device_of(topology, PciAddress{0, 0, 21, 0});
    EXPECT_TRUE(blocked->blocked);
    EXPECT_TRUE(blocked->grants.empty());
}

TEST(Protected, WhatNobodyMayReach) {
    Machine machine;
    machine.dmar.drhd(0xfed90000, true, {});
    machine.table_memory = {range(0x40000000, 0x401fffff)};
    machine.mcfg = {std::byte{'M'}, std::byte{'C'}, std::byte{'F'}, std::byte{'G'}, std::byte{60}};
    machine.mcfg.resize(60);
    machine.mcfg[44 + 3] = std::byte{0xb0};
    machine.mcfg[44 + 11] = std::byte{0xff};
    test::fix_checksum(machine.mcfg);
    std::vector<std::string> seen;
    for (const auto& part : machine.survey().protected_memory) {
        char text[80];
        std::snprintf(text, sizeof text, "%llx-%llx %s",
                      static_cast<unsigned long long>(part.range.first.value),
                      static_cast<unsigned long long>(part.range.last.value), part.what.c_str());
        seen.emplace_back(text);
    }
    EXPECT_EQ(seen,
              (std::vector<std::string>{"fed90000-fed90fff registers of vtd@fed90000",
                                        "b0000000-bfffffff PCI configuration space of segment 0000",
                                        "40000000-401fffff table memory",
                                        "fec00000-fecfffff I/O interrupt controllers",
                                        "fee00000-feefffff local interrupt controllers"}));
}

// An MCFG with one window of all buses.
std::vector<std::byte> window_at(std::uint64_t base, unsigned segment) {
    std::vector<std::byte> table(44 + 16);
    const auto put = [&](std::size_t at, std::uint64_t value, unsigned bytes) {
        for (unsigned i = 0; i < bytes; ++i) table[at + i] = std::byte(value >> (8 * i));
    };
    put(0, 0x4746434d, 4);  // "MCFG"
    put(4, table.size(), 4);
    put(8, 1, 1);
    put(44, base, 8);
    put(52, segment, 2);
    put(55, 255, 1);
    test::fix_checksum(table);
    return table;
}

TEST(Protected, ConfigurationSpaceOfEveryMcfg) {
    Machine machine;
    machine.dmar.drhd(0xfed90000, true, {});
    const auto dmar = machine.dmar.table(), first = window_at(0xb0000000, 0), second = window_at(0x40'0000'0000, 1);
    const config::Configuration configuration = config::defaults(config::Edition::plain);
    const std::vector<survey::Table> tables{{"DMAR", dmar}, {"MCFG", first}, {"MCFG", second}};
    const auto topology = survey::survey({tables, machine.pci, configuration, {}, {}, {}, {}});
    for (const std::uint64_t base : {0xb0000000ull, 0x40'0000'0000ull})
        EXPECT_TRUE(std::ranges::any_of(topology.protected_memory, [&](const topology::Protected& part) {
            return part.range.contains(PhysAddr{base + 0xfffffff});
        })) << std::hex << base;
}

TEST(Protected, UnitsOfASecondDmarAreNotForgottenSilently) {
    Machine machine, other;
    machine.dmar.drhd(0xfed90000, true, {});
    other.dmar.drhd(0xfed91000, false, {});
    const auto first = machine.dmar.table(), second = other.dmar.table();
    const config::Configuration configuration = config::defaults(config::Edition::plain);
    const auto topology = survey::survey({{{"DMAR", first}, {"DMAR", second}}, machine.pci, configuration, {}, {}, {}, {}});
    const topology::Finding* finding = finding_of(topology, "dmar-several");
    ASSERT_NE(finding, nullptr);
    EXPECT_EQ(finding->severity, topology::Severity::error);
}

}  // namespace
}  // namespace smmu::survey

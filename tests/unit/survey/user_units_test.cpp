// SPDX-License-Identifier: Apache-2.0
// Units of Arm and Renesas that the configuration describes.
#include <gtest/gtest.h>

#include <algorithm>

#include "survey/advice.hpp"
#include "machine.hpp"

namespace smmu::test {
namespace {

using topology::Topology;
using topology::UnitKind;

constexpr const char* rcar =
    "smmu rcar3 e67b0000,228,18,0x4f.0x10,0x4f.0x20\n"
    "unit ds0 e6740000,0\n"
    "unit hc e6570000,2\n"
    "device mem:e6700000,64K use ds0 0 use ds0 15\n"
    "device mem:fe000000,512K use hc 0\n";

Topology described(const std::string& text) {
    const config::Configuration said = read(text);
    const Machine machine;
    return survey::survey({{}, machine.pci, said, machine.ram, {}, {}, {}});
}

bool has_finding(const Topology& topology, std::string_view id) {
    return std::ranges::find(topology.findings, id, &topology::Finding::id) != topology.findings.end();
}

TEST(UserUnits, CacheUnitsOfAnRCarBelongToTheirMainUnit) {
    const Topology topology = described(rcar);
    ASSERT_EQ(topology.units.size(), 1u);
    const topology::Unit& main = topology.units.front();
    EXPECT_EQ(main.kind, UnitKind::ipmmu);
    EXPECT_EQ(main.name, "ipmmu@e67b0000");
    EXPECT_EQ(main.chips, (std::vector<topology::Chip>{{0x4f, 0x10}, {0x4f, 0x20}}));
    ASSERT_EQ(main.caches.size(), 2u);
    EXPECT_EQ(main.caches[1].name, "hc");
    EXPECT_EQ(main.caches[1].registers.first.value, 0xe6570000u);
    EXPECT_EQ(main.caches[1].status_bit, 2u);
    ASSERT_EQ(topology.devices.size(), 2u);
    ASSERT_EQ(topology.devices[0].streams.size(), 2u);
    EXPECT_EQ(topology.devices[0].streams[1].id, topology::micro_tlb(0, 15));
    EXPECT_EQ(topology.devices[1].streams[0].id, topology::micro_tlb(1, 0));
    EXPECT_EQ(stream_text(main, topology.devices[0].streams[1].id), "micro-TLB 15 of ds0");
    EXPECT_NE(topology.devices[0].group, topology.devices[1].group);
}

TEST(UserUnits, RegistersOfCacheUnitsAndPowerControlAreProtected) {
    const Topology topology = described(rcar);
    for (const std::uint64_t address : {0xe67b0000u, 0xe6740000u, 0xe6570000u, 0xe6180340u})
        EXPECT_TRUE(std::ranges::any_of(topology.protected_memory, [&](const topology::Protected& part) {
            return part.range.contains(PhysAddr{address});
        })) << std::hex << address;
}

// What the driver knows of the chip counts, however little was said.
TEST(UserUnits, TheWholeOfACacheUnitIsProtected) {
    const config::Configuration said = read("smmu rcar3 eefc0000,242,0 unit rt0 ee480000,0");
    const Machine machine;
    survey::Input input{{}, machine.pci, said, machine.ram, {}, {}, {}};
    input.further_registers = {{PhysAddr{0xee480000}, PhysAddr{0xee49ffff}}};
    const Topology topology = survey::survey(input);
    EXPECT_TRUE(std::ranges::any_of(topology.protected_memory, [](const topology::Protected& part) {
        return part.range.contains(PhysAddr{0xee483300});
    }));
}

TEST(UserUnits, AWrongMainUnitLeavesItsCacheUnitsOut) {
    const std::vector<std::string> words{"smmu", "rcar3", "e67b0000,zz,0", "unit", "ds0", "e6740000,0"};
    const auto parsed = config::parse(words, [](const std::string&) -> Result<std::string> { return fail(ENOENT, "none"); },
                                      config::Edition::plain);
    EXPECT_FALSE(parsed.errors.empty());
    const Machine machine;
    EXPECT_TRUE(survey::survey({{}, machine.pci, parsed.configuration, machine.ram, {}, {}, {}}).units.empty());
}

TEST(UserUnits, AMainUnitHasNoStreamsOfItsOwn) {
    const Topology topology = described(std::string(rcar) + "device mem:ee100000,4K use ipmmu@e67b0000 3\n");
    EXPECT_TRUE(has_finding(topology, "micro-tlb-missing"));
    const Topology unknown = described(std::string(rcar) + "device mem:ee100000,4K use ds0 256\n");
    EXPECT_TRUE(has_finding(unknown, "micro-tlb-missing"));
    EXPECT_TRUE(std::ranges::any_of(unknown.devices, [](const topology::Device& device) { return device.streams.empty(); }));
}

TEST(UserUnits, WhatWasSaidOfAnRCarCanBePasted) {
    const config::Configuration said = read(rcar);
    const std::string text = survey::paste_ready(described(rcar), said);
    const Topology again = described(text);
    EXPECT_NE(text.find("smmu rcar3 0xe67b0000,228,18,0x4f.0x10,0x4f.0x20\nunit hc 0xe6570000,2\n"), std::string::npos) << text;
    EXPECT_NE(text.find("device mem:0xe6700000,0x10000 use ds0 0x0 use ds0 0xf"), std::string::npos) << text;
    ASSERT_EQ(again.devices.size(), 2u) << text;
    EXPECT_EQ(again.devices[0].streams, described(rcar).devices[0].streams);
}

TEST(UserUnits, ReservedStreamsAreNobodysAndUnknownOnesPassWhereThatWasSaid) {
    const Topology topology = described(
        "smmu armsmmu unit mmu500 51400000,64,66,1,4:5:16,imx8\n"
        "device mem:5b010000,64K use mmu500 5 reserved 90000000,64K\n"
        "device mem:5b020000,64K use mmu500 6\n");
    ASSERT_EQ(topology.units.size(), 1u);
    EXPECT_EQ(topology.units[0].kind, UnitKind::smmuv2);
    EXPECT_TRUE(topology.units[0].unknown_streams_pass);
    EXPECT_EQ(topology.units[0].reserved_streams, (std::vector{StreamId(4), StreamId(5), StreamId(16)}));
    EXPECT_TRUE(topology.devices[0].blocked);
    EXPECT_EQ(topology.devices[0].grants.size(), 1u);
    EXPECT_FALSE(topology.devices[1].blocked);
    EXPECT_TRUE(has_finding(topology, "stream-reserved"));
}

TEST(UserUnits, BlockWinsOverTheBypassOfAUnit) {
    const Topology topology = described("smmu armsmmu unit mmu500 51400000,64,66,1 unclaimed block\n");
    EXPECT_FALSE(topology.units.at(0).unknown_streams_pass);
}

}  // namespace
}  // namespace smmu::test

// SPDX-License-Identifier: Apache-2.0
// Units of an IORT: how long their registers are, what they say of their walks, counters beside them, and two nodes of one.
#include "iort_survey.hpp"

namespace smmu::test {
namespace {

using topology::Severity;

class IortUnits : public IortSurvey {
protected:
    static std::optional<Severity> severity_of(const topology::Topology& topology, std::string_view id) {
        const auto at = std::ranges::find(topology.findings, id, &topology::Finding::id);
        return at != topology.findings.end() ? std::optional(at->severity) : std::nullopt;
    }
};

TEST_F(IortUnits, WhatSmmuV2NodesSay) {
    iort.smmuv2(0x15000000, 0x80000, true);
    iort.smmuv2(0x16000000, 0x110000);
    const auto topology = survey("smmu armsmmu");
    ASSERT_EQ(topology.units.size(), 2u);
    EXPECT_EQ(topology.units[0].kind, topology::UnitKind::smmuv2);
    EXPECT_EQ(topology.units[0].name, "smmuv2@15000000");
    EXPECT_EQ(topology.units[0].registers.length(), 0x80000u);
    EXPECT_EQ(topology.units[0].coherent_walks, true);
    EXPECT_EQ(topology.units[1].registers.length(), 0x110000u);
    EXPECT_EQ(topology.units[1].coherent_walks, false);
    EXPECT_EQ(severity_of(topology, "iort-smmu-span-odd"), Severity::note);
    EXPECT_FALSE(has(topology, "iort-smmu-span-bad"));
}

// A length that cannot be would protect what is not the unit's, or nothing.
TEST_F(IortUnits, AnImpossibleLengthIsNotBelieved) {
    for (const std::uint64_t span : {std::uint64_t{0}, std::uint64_t{0x1001}, std::uint64_t{1} << 40, ~std::uint64_t{0xfff}}) {
        iort = {};
        iort.smmuv2(0x15000000, span);
        const auto topology = survey("smmu armsmmu");
        ASSERT_EQ(topology.units.size(), 1u);
        EXPECT_EQ(topology.units[0].registers.length(), 0x1000u) << span;
        EXPECT_EQ(severity_of(topology, "iort-smmu-span-bad"), Severity::warning) << span;
    }
}

TEST_F(IortUnits, SmmuV3NodesOverrideWalksOnlyTowardsCoherent) {
    iort.smmuv3(0x9050000, true);
    iort.smmuv3(0x9150000);
    const auto topology = survey();
    EXPECT_EQ(topology.units.at(0).coherent_walks, true);
    EXPECT_EQ(topology.units.at(1).coherent_walks, std::nullopt);
}

TEST_F(IortUnits, CountersAreProtected) {
    iort.smmuv3(0x9050000);
    iort.counters(0x2b420000, 0x2b430000);
    const auto topology = survey();
    EXPECT_TRUE(is_protected(topology, 0x2b420000));
    EXPECT_TRUE(is_protected(topology, 0x2b430fff));
    EXPECT_FALSE(is_protected(topology, 0x2b431000));
    iort.counters(0x123, 0);
    EXPECT_TRUE(has(survey(), "iort-counters-base-bad"));
}

// One of the two bases may be wrong: then a unit is open that nobody knows.
TEST_F(IortUnits, TwoNodesWithOneBaseAreOneUnitAndAnError) {
    const auto first = iort.smmuv3(0x9050000, true), second = iort.smmuv3(0x9050000);
    iort.root_complex({{0, 0x18, 0, first}, {0x18, 0x100, 0x18, second}});
    add({0, 0, 2, 0});
    add({0, 0, 3, 0});
    const auto topology = survey();
    ASSERT_EQ(topology.units.size(), 1u);
    EXPECT_EQ(topology.units[0].coherent_walks, false);
    EXPECT_EQ(severity_of(topology, "iort-smmu-twice"), Severity::error);
    EXPECT_FALSE(has(topology, "unit-registers-overlap"));
    for (const topology::Device& device : topology.devices) EXPECT_EQ(device.streams.size(), 1u) << to_string(device.id);

    const auto confirmed = survey("smmu armsmmuv3 unit only 0x9050000,0,0,0");
    EXPECT_EQ(confirmed.units.size(), 1u);
    EXPECT_EQ(severity_of(confirmed, "iort-smmu-twice"), Severity::note);
}

TEST_F(IortUnits, OfTwoKindsTheUserSaysWhich) {
    iort.smmuv2(0x9050000, 0x80000);
    iort.smmuv3(0x9050000);
    const auto topology = survey();
    ASSERT_EQ(topology.units.size(), 1u);
    EXPECT_EQ(topology.units[0].registers.length(), 0x80000u);
    EXPECT_EQ(severity_of(topology, "iort-smmu-twice"), Severity::error);
    const auto said = survey("smmu armsmmuv3 unit only 0x9050000,0,0,0");
    EXPECT_EQ(said.units.at(0).kind, topology::UnitKind::smmuv3);
    EXPECT_EQ(severity_of(said, "iort-smmu-twice"), Severity::note);
}

}  // namespace
}  // namespace smmu::test

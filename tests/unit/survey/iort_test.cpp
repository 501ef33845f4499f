// SPDX-License-Identifier: Apache-2.0
// Surveys of machines that an IORT describes: units, streams by way of the root complex, reserved memory, interrupt controllers.
#include "iort_survey.hpp"

namespace smmu::test {
namespace {

TEST_F(IortSurvey, StreamsComeByWayOfTheRootComplex) {
    const auto unit = iort.smmuv3(0x9050000);
    iort.root_complex({{0, 0x100, 0x1000, unit}});
    add({0, 0, 3, 0});
    add({0, 1, 0, 0});
    const auto topology = survey();
    ASSERT_EQ(topology.units.size(), 1u);
    EXPECT_EQ(topology.units[0].name, "smmuv3@9050000");
    EXPECT_EQ(topology.units[0].registers.length(), 0x20000u);
    ASSERT_EQ(topology.devices[0].streams.size(), 1u);
    EXPECT_EQ(raw(topology.devices[0].streams[0].id), 0x1018u);
    EXPECT_TRUE(topology.devices[1].streams.empty()) << "its bus is not mapped";
    EXPECT_TRUE(has(topology, "device-no-unit"));
    EXPECT_TRUE(is_protected(topology, 0x906ffff));
}

TEST_F(IortSurvey, AnIdThatGoesAroundTheUnitIsNotContained) {
    const auto unit = iort.smmuv3(0x9050000), around = iort.its();
    iort.root_complex({{0, 0x100, 0, unit}, {0x18, 1, 0, around}});
    add({0, 0, 3, 0});
    add({0, 0, 4, 0});
    const auto topology = survey();
    EXPECT_TRUE(has(topology, "iort-mapping-overlap"));
    EXPECT_TRUE(topology.devices[0].streams.empty());
    EXPECT_EQ(topology.devices[1].streams.size(), 1u);
}

TEST_F(IortSurvey, ReservedMemoryIsForTheDevicesWithItsStreams) {
    const auto unit = iort.smmuv3(0x9050000);
    iort.root_complex({{0, 0x100, 0, unit}});
    iort.reserved(0x80000000, 0x10000, {{0, 1, 0x18, unit}});
    add({0, 0, 3, 0});
    add({0, 0, 4, 0});
    const auto topology = survey();
    ASSERT_EQ(topology.devices[0].grants.size(), 1u);
    EXPECT_EQ(topology.devices[0].grants[0].range.first, PhysAddr{0x80000000});
    EXPECT_TRUE(topology.devices[0].grants[0].honoured);
    EXPECT_TRUE(topology.devices[1].grants.empty());
}

TEST_F(IortSurvey, InterruptControllersAreProtected) {
    const auto unit = iort.smmuv3(0x9050000);
    iort.root_complex({{0, 0x100, 0, unit}});
    madt.distributor(0x08000000, 3).redistributors(0x080a0000, 0x20000).its(0, 0x08080000);
    const auto topology = survey();
    for (const std::uint64_t address : {0x08000080u, 0x080a0000u, 0x08080000u, 0x08090040u})
        EXPECT_TRUE(is_protected(topology, address)) << std::hex << address;
    EXPECT_FALSE(is_protected(topology, 0x40000000));
}

TEST_F(IortSurvey, AWrittenUseReplacesTheTable) {
    const auto unit = iort.smmuv3(0x9050000);
    iort.root_complex({{0, 0x100, 0, unit}});
    add({0, 0, 3, 0});
    const auto topology = survey("smmu armsmmuv3 device pci:0:3.0 use smmuv3@9050000 0x99");
    ASSERT_EQ(topology.devices[0].streams.size(), 1u);
    EXPECT_EQ(raw(topology.devices[0].streams[0].id), 0x99u);
    EXPECT_EQ(topology.superseded.size(), 1u);
}

}  // namespace
}  // namespace smmu::test

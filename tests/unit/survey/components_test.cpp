// SPDX-License-Identifier: Apache-2.0
// Devices that only the ACPI name space knows: blocked in their own name until a line says where their registers are.
#include "firmware/iort.hpp"
#include "iort_survey.hpp"
#include "survey/advice.hpp"
#include "tests/unit/firmware/counts.hpp"
#include "tests/unit/firmware/test_data.hpp"

namespace smmu::test {
namespace {

using topology::AcpiName;
using topology::DeviceId;

class Components : public IortSurvey {
protected:
    static const topology::Device* find(const topology::Topology& topology, const DeviceId& id) {
        const auto at = std::ranges::find(topology.devices, id, &topology::Device::id);
        return at != topology.devices.end() ? &*at : nullptr;
    }
    static std::vector<std::uint32_t> ids_of(const topology::Device& device) {
        std::vector<std::uint32_t> ids;
        for (const topology::Stream& stream : device.streams) ids.push_back(raw(stream.id));
        return ids;
    }
    static const std::string& text_of(const topology::Topology& topology, std::string_view id) {
        static const std::string none;
        const auto at = std::ranges::find(topology.findings, id, &topology::Finding::id);
        return at != topology.findings.end() ? at->text : none;
    }
    using Ids = std::vector<std::uint32_t>;

    const DeviceId gpu{AcpiName{"\\_SB.GPU0"}};
    const DeviceId block{topology::MmioBlock{PhysAddr{0xe6ef0000}, 0x1000}};
};

TEST_F(Components, AreDevicesWithTheirStreams) {
    const auto unit = iort.smmuv3(0x9050000);
    iort.component("\\_SB.GPU0", {{0x03000000, 1, 0x800, unit}, {0x03000001, 2, 0x810, unit}});
    const auto topology = survey();
    const auto* device = find(topology, gpu);
    ASSERT_NE(device, nullptr);
    EXPECT_EQ(ids_of(*device), (Ids{0x800, 0x810, 0x811}));
    EXPECT_NE(text_of(topology, "component-blocked").find("device mem:ADDRESS use smmuv3@9050000 0x800 use smmuv3@9050000 0x810"),
              std::string::npos)
        << text_of(topology, "component-blocked");
    EXPECT_EQ(survey::verdict(topology), survey::Verdict::clean) << "a note asks for nothing";
    EXPECT_FALSE(has(topology, "device-no-unit"));
}

TEST_F(Components, NodesOfOneNameAreOneDevice) {
    const auto unit = iort.smmuv3(0x9050000);
    iort.component("\\_SB.GPU0", {{0, 1, 0x800, unit}});
    iort.component("\\_SB.GPU0", {{0, 1, 0x801, unit}, {1, 1, 0x800, unit}});
    const auto topology = survey();
    ASSERT_EQ(topology.devices.size(), 1u);
    EXPECT_EQ(ids_of(topology.devices[0]), (Ids{0x800, 0x801}));
}

TEST_F(Components, WithoutANameTheyAreCalledAfterTheirPlaceInTheTable) {
    const auto unit = iort.smmuv3(0x9050000);
    iort.component("a b", {{0, 1, 0x800, unit}});
    iort.component(" ", {{0, 1, 0x801, unit}});
    const auto topology = survey();
    ASSERT_EQ(topology.devices.size(), 2u);
    EXPECT_NE(find(topology, AcpiName{"a"}), nullptr);
    EXPECT_TRUE(std::get<AcpiName>(topology.devices[0].id).path.starts_with("IORT+0x")) << to_string(topology.devices[0].id);
}

// Whoever owns the block gets the streams that its line names, and no others of the component.
TEST_F(Components, ALineWithAnAddressTakesTheStreams) {
    const auto unit = iort.smmuv3(0x9050000);
    iort.component("\\_SB.GPU0", {{0, 1, 0x800, unit}, {1, 1, 0x801, unit}});
    const auto part = survey("smmu armsmmuv3 device mem:e6ef0000,4K use smmuv3@9050000 0x800");
    ASSERT_NE(find(part, gpu), nullptr);
    EXPECT_EQ(ids_of(*find(part, gpu)), Ids{0x801});
    EXPECT_EQ(ids_of(*find(part, block)), Ids{0x800});
    EXPECT_NE(find(part, gpu)->group, find(part, block)->group);
    EXPECT_EQ(find(part, block)->description, "ACPI \\_SB.GPU0");
    ASSERT_EQ(part.superseded.size(), 1u);
    EXPECT_EQ(part.superseded[0].fact, "stream 0x800 of smmuv3@9050000");

    const auto all = survey("smmu armsmmuv3 device mem:e6ef0000,4K use smmuv3@9050000 0x800 use smmuv3@9050000 0x801");
    EXPECT_EQ(find(all, gpu), nullptr);
    EXPECT_FALSE(has(all, "component-blocked"));
}

TEST_F(Components, OnesThatShareAStreamAreOneGroup) {
    const auto unit = iort.smmuv3(0x9050000);
    iort.component("\\_SB.GPU0", {{0, 1, 0x800, unit}});
    iort.component("\\_SB.GPU1", {{0, 1, 0x800, unit}});
    const auto topology = survey();
    ASSERT_EQ(topology.devices.size(), 2u);
    EXPECT_EQ(topology.devices[0].group, topology.devices[1].group);
}

TEST_F(Components, ALineOfTheirOwnIsBelieved) {
    const auto unit = iort.smmuv3(0x9050000);
    iort.component("\\_SB.GPU0", {{0, 1, 0x800, unit}});
    iort.reserved(0x80000000, 0x10000, {{0, 1, 0x800, unit}});
    const auto topology = survey("smmu armsmmuv3 device acpi:\\_SB.GPU0 blocked");
    ASSERT_NE(find(topology, gpu), nullptr);
    EXPECT_TRUE(find(topology, gpu)->blocked);
    EXPECT_EQ(find(topology, gpu)->grants.size(), 1u) << "its reserved memory";
    EXPECT_FALSE(has(topology, "component-blocked"));
    EXPECT_NE(survey::paste_ready(topology, parsed.configuration)
                  .find("device acpi:\\_SB.GPU0 use smmuv3@9050000 0x800 reserved 0x80000000,64K,rw blocked"),
              std::string::npos);
}

TEST_F(Components, ThatGoAroundAUnitAreNotContained) {
    const auto unit = iort.smmuv3(0x9050000), around = iort.its();
    iort.component("\\_SB.GPU0", {{0, 1, 0x800, unit}, {1, 1, 0, around}});
    iort.component("\\_SB.GPU1", {{0, 1, 0, around}});
    const auto topology = survey();
    EXPECT_TRUE(has(topology, "component-around"));
    EXPECT_NE(text_of(topology, "device-no-unit").find("GPU1"), std::string::npos);
}

TEST_F(Components, NamesAndStreamsHaveBounds) {
    const auto unit = iort.smmuv3(0x9050000);
    iort.component(std::string(300, 'A'), {{0, 0x10000, 0, unit}});
    const auto topology = survey();
    ASSERT_EQ(topology.devices.size(), 1u);
    EXPECT_EQ(topology.devices[0].streams.size(), firmware::most_component_streams);
    EXPECT_EQ(std::get<AcpiName>(topology.devices[0].id).path.size(), firmware::longest_component_path);
    EXPECT_TRUE(has(topology, "component-streams-many"));
}

// Of every real table as many units and components as an independent walker counted.
TEST(ComponentsOfRealTables, AreAllDevices) {
    const topology::PciTree no_tree;
    const auto configuration = config::defaults(config::Edition::plain);
    for (const auto& path : tables_of("IORT")) {
        SCOPED_TRACE(path.filename().string());
        const auto bytes = bytes_of(path);
        auto counts = expected_counts(path);
        const auto topology = survey::survey({{{"IORT", bytes}}, no_tree, configuration, {}, {}, {}, {}});
        const auto components = std::ranges::count_if(topology.devices, [](const topology::Device& device) {
            return std::holds_alternative<AcpiName>(device.id) && !device.streams.empty();
        });
        EXPECT_EQ(std::size_t(components), counts["named"]);
        EXPECT_EQ(topology.units.size(), counts["iommus"]);
        EXPECT_EQ(topology.devices.size(), counts["named"]);
    }
}

}  // namespace
}  // namespace smmu::test

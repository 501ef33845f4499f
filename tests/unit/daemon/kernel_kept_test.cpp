// SPDX-License-Identifier: Apache-2.0
// `smmu vfio`: what may stand beside it, and the machine as the kernel groups it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "config/parse.hpp"
#include "daemon/supported.hpp"
#include "survey/advice.hpp"
#include "survey/survey.hpp"

namespace smmu::daemon {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using topology::PciAddress;

config::Configuration configured(const std::string& text) {
    std::istringstream stream(text);
    const std::vector<std::string> words{std::istream_iterator<std::string>(stream), {}};
    auto parsed = config::parse(words, nullptr, config::Edition::plain);
    EXPECT_TRUE(parsed.errors.empty());
    return std::move(parsed.configuration);
}

// Without comments.
std::string lines_of(const std::string& text) {
    std::istringstream stream(text);
    std::string result;
    for (std::string line; std::getline(stream, line);) result += line.substr(0, line.find('#')) + ' ';
    return result;
}

TEST(KernelKept, StandsAlone) {
    EXPECT_THAT(unsupported_words(configured("smmu vfio device 0000:00:03.0 blocked")), IsEmpty());
    for (const std::string beside : {"smmu vtd", "smmu vtd unit a fed90000", "allow ram 1000,1000 device 0000:00:03.0 ram", "device 0000:00:03.0 host",
                                     "device 0000:00:03.0 reserved 1000,1000", "trial 5", "tables 4M", "platform board q35"})
        EXPECT_THAT(unsupported_words(configured("smmu vfio " + beside)), testing::Contains(HasSubstr("cannot stand beside `smmu vfio`"))) << beside;
}

TEST(KernelKept, TheKernelsGroupsAreTheGroups) {
    topology::PciTree pci;
    for (std::uint8_t device = 1; device <= 4; ++device) {
        topology::PciFunction function;
        function.address = {0, 0, device, 0};
        pci.functions.push_back(function);
    }
    const auto configuration = configured("smmu vfio device 0000:00:02.0 blocked");
    const topology::Topology topology = survey::survey({.tables = {},
                                                        .pci = pci,
                                                        .configuration = configuration,
                                                        .ram = {},
                                                        .table_memory = {},
                                                        .register_windows = {},
                                                        .silent_units = {},
                                                        .kernel_groups = {{7, {PciAddress{0, 0, 1, 0}, PciAddress{0, 0, 3, 0}}}, {9, {PciAddress{0, 0, 2, 0}}}}});
    ASSERT_EQ(topology.units.size(), 1u);
    EXPECT_EQ(topology.units[0].kind, topology::UnitKind::vfio);
    ASSERT_EQ(topology.groups.size(), 3u);
    EXPECT_THAT(topology.groups[0].devices, ElementsAre(DeviceIndex{0}, DeviceIndex{2}));
    EXPECT_THAT(topology.groups[0].reason, HasSubstr("IOMMU group 7"));
    EXPECT_EQ(topology.devices[2].streams.front().id, StreamId{0x18});
    EXPECT_TRUE(topology.devices[1].blocked);
    EXPECT_THAT(topology.devices[3].streams, IsEmpty()) << "in no group, so nothing contains it";
    ASSERT_EQ(topology.findings.size(), 1u);
    EXPECT_EQ(topology.findings[0].id, "device-no-group");
    EXPECT_THAT(topology.protected_memory, IsEmpty());
    const std::string advice = survey::paste_ready(topology, configuration);
    EXPECT_THAT(advice, testing::StartsWith("smmu vfio\n"));
    EXPECT_THAT(advice, HasSubstr("\ndevice 0000:00:02.0 blocked"));
    EXPECT_THAT(unsupported_words(configured(lines_of(advice))), IsEmpty()) << advice;
}

}  // namespace
}  // namespace smmu::daemon

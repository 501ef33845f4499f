// SPDX-License-Identifier: Apache-2.0
// The kernel's IOMMU groups, as it tells of them.
#include "platform/linux/iommu_groups.hpp"

#include <gmock/gmock.h>

#include "fake_host.hpp"

namespace smmu::platform::linux {
namespace {

using test::FakeHost;

TEST(IommuGroups, NumbersTypesMembersAndTheirDrivers) {
    const FakeHost host;
    for (const char* group : {"10", "2", "7", "none"}) host.write(std::string("/sys/kernel/iommu_groups/") + group + "/type", "DMA-FQ\n");
    host.folder("/sys/kernel/iommu_groups/2/devices/0000:00:03.0");
    host.folder("/sys/kernel/iommu_groups/2/devices/0000:00:03.1");
    host.folder("/sys/kernel/iommu_groups/2/devices/9050000.serial");
    host.link("/sys/bus/pci/devices/0000:00:03.1/driver", "../../../bus/pci/drivers/vfio-pci");
    host.write("/sys/kernel/iommu_groups/7/name", "vfio-noiommu\n");
    const auto groups = kernel_groups(host.files());
    ASSERT_EQ(groups.size(), 2u);
    EXPECT_EQ(groups[0].number, 2u);
    EXPECT_EQ(groups[0].type, "DMA-FQ");
    ASSERT_EQ(groups[0].members.size(), 2u);
    EXPECT_EQ(groups[0].members[0].driver, "");
    EXPECT_EQ(groups[0].members[1].function.devfn, 0x19);
    EXPECT_EQ(groups[0].members[1].driver, "vfio-pci");
    EXPECT_EQ(groups[1].number, 10u);
    EXPECT_TRUE(check_kept(host.files()));
}

TEST(IommuGroups, WithoutAnyTheKernelKeepsNoUnit) {
    const FakeHost host;
    const auto checked = check_kept(host.files());
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code, ENOTSUP);
    EXPECT_THAT(checked.error().text, testing::HasSubstr("intel_iommu=on"));
}

}  // namespace
}  // namespace smmu::platform::linux

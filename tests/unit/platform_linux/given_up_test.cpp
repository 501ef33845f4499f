// SPDX-License-Identifier: Apache-2.0
// Who has the units: the kernel must have given them up, and no other service may have them.
#include "platform/linux/given_up.hpp"

#include <gmock/gmock.h>

#include "fake_host.hpp"
#include "platform/linux/instance_lock.hpp"

namespace smmu::platform::linux {
namespace {

using test::FakeHost;
using testing::AllOf;
using testing::HasSubstr;

std::string refused(const FakeHost& host) {
    const auto checked = check_given_up(host.files());
    if (checked) return "not refused";
    EXPECT_EQ(checked.error().code, EPERM);
    return checked.error().text;
}

TEST(GivenUp, AKernelThatHasNothing) {
    const FakeHost host;
    EXPECT_TRUE(check_given_up(host.files()));
    host.folder("/sys/class/iommu");
    host.folder("/sys/kernel/iommu_groups");
    host.write("/sys/kernel/security/lockdown", "[none] integrity confidentiality\n");
    EXPECT_TRUE(check_given_up(host.files()));
}

TEST(GivenUp, UnitsOfTheKernel) {
    const std::pair<const char*, const char*> kinds[] = {{"dmar0", "intel_iommu=off intremap=off"},
                                                         {"smmu3.0x0000000009050000", "initcall_blacklist=arm_smmu_driver_init"},
                                                         {"smmu.0x000000002b400000", "initcall_blacklist=arm_smmu_driver_init"},
                                                         {"ivhd0", "amd_iommu=off"}};
    for (const auto& [unit, parameters] : kinds) {
        const FakeHost host;
        host.folder(std::string("/sys/class/iommu/") + unit);
        EXPECT_THAT(refused(host), AllOf(HasSubstr(unit), HasSubstr(parameters)));
    }
    const FakeHost host;
    host.folder("/sys/class/iommu/dmar0");
    host.folder("/sys/class/iommu/dmar1");
    host.folder("/sys/class/iommu/dmar2");
    EXPECT_THAT(refused(host), HasSubstr("dmar0 and 2 more"));
}

TEST(GivenUp, GroupsOfTheKernel) {
    const FakeHost host;
    host.folder("/sys/kernel/iommu_groups/0");
    host.folder("/sys/kernel/iommu_groups/1");
    host.write("/sys/kernel/iommu_groups/1/name", "vfio-noiommu\n");
    EXPECT_THAT(refused(host), AllOf(HasSubstr("1 IOMMU groups"), HasSubstr("intel_iommu=off"), HasSubstr("arm_smmu_driver_init")));
}

TEST(GivenUp, GroupsOfDevicesThatNothingContains) {
    const FakeHost host;
    host.folder("/sys/kernel/iommu_groups/0");
    host.write("/sys/kernel/iommu_groups/0/name", "vfio-noiommu\n");
    EXPECT_TRUE(check_given_up(host.files()));
}

TEST(GivenUp, Lockdown) {
    const FakeHost host;
    for (const std::string mode : {"integrity", "confidentiality"}) {
        host.write("/sys/kernel/security/lockdown", "none [" + mode + "]\n");
        EXPECT_THAT(refused(host), AllOf(HasSubstr("lockdown (" + mode + ")"), HasSubstr("Secure Boot")));
    }
}

TEST(InstanceLock, OneHoldsIt) {
    const FakeHost host;
    auto first = lock_instance(host.places().lock);
    ASSERT_TRUE(first);
    const auto second = lock_instance(host.places().lock);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().code, EBUSY);
    EXPECT_THAT(second.error().text, HasSubstr("process " + std::to_string(getpid()) + ")"));
    first->reset();
    EXPECT_TRUE(lock_instance(host.places().lock));
}

TEST(InstanceLock, ALinkIsNotFollowed) {
    const FakeHost host;
    host.write("/precious", "text");
    host.link("/lock", host.places().root + "/precious");
    EXPECT_FALSE(lock_instance(host.places().lock));
    EXPECT_EQ(host.files().text("/precious").value_or(""), "text");
}

}  // namespace
}  // namespace smmu::platform::linux

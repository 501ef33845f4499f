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

constexpr PhysRange vtd{{0xfed90000}, {0xfed90fff}};

std::string refused(const FakeHost& host, PhysRange registers) {
    const auto checked = check_given_up(host.files(), registers);
    if (checked) return "not refused";
    EXPECT_EQ(checked.error().code, EPERM);
    return checked.error().text;
}

TEST(GivenUp, TheUnitThatTheKernelHasAndNoOther) {
    const FakeHost host;
    host.write("/sys/class/iommu/dmar1/intel-iommu/address", "fed91000\n");
    EXPECT_THAT(refused(host, {{0xfed91000}, {0xfed91fff}}), AllOf(HasSubstr("dmar1"), HasSubstr("intel_iommu=off intremap=off")));
    EXPECT_EQ(refused(host, vtd), "not refused");
    EXPECT_EQ(refused(host), "not refused") << "of the others nothing is known yet";
}

TEST(GivenUp, NamesThatSayWhereAUnitIs) {
    const std::pair<const char*, std::uint64_t> names[] = {{"smmu3.0x0000000009050000", 0x9050000},
                                                           {"smmu.0x000000002b400000", 0x2b400000},
                                                           {"fd800000.iommu", 0xfd800000},
                                                           {"riscv-iommu@3010000.iommu", 0x3010000}};
    for (const auto& [name, base] : names) {
        const FakeHost host;
        host.folder(std::string("/sys/class/iommu/") + name);
        const auto units = kernel_units(host.files());
        ASSERT_TRUE(units) << units.error().text;
        EXPECT_EQ(units->front().base, PhysAddr{base}) << name;
        EXPECT_THAT(refused(host, {{base}, {base + 0xffff}}), HasSubstr(name));
        EXPECT_EQ(refused(host, {{base + 0x10000}, {base + 0x1ffff}}), "not refused");
    }
}

TEST(GivenUp, AUnitThatMayBeAnyIsRefusedForAll) {
    for (const char* const name : {"ivhd0", "dmar0", "virtio0", "smmu3.0x", "smmu3.0x9050000z", "arm-smmu-v3.0.auto", "@", "fd800000", "riscv-iommu@0000:00:01.0"}) {
        const FakeHost host;
        host.folder(std::string("/sys/class/iommu/") + name);
        EXPECT_THAT(refused(host, vtd), HasSubstr(name));
        EXPECT_THAT(refused(host), HasSubstr(name));
    }
    const FakeHost host;
    host.write("/sys/class/iommu/dmar0/intel-iommu/address", "somewhere\n");
    EXPECT_THAT(refused(host, vtd), HasSubstr("dmar0"));
}

// What cannot be seen is not taken for nothing.
TEST(GivenUp, WhatCannotBeSeen) {
    for (const char* const hidden : {"/sys/class", "/sys/kernel"}) {
        const FakeHost host;
        host.remove(hidden);
        EXPECT_THAT(refused(host), AllOf(HasSubstr("cannot be seen"), HasSubstr("sysfs"))) << hidden;
        EXPECT_THAT(refused(host, vtd), HasSubstr("cannot be seen")) << hidden;
        host.write(hidden, "a file");
        EXPECT_THAT(refused(host), HasSubstr("cannot be seen")) << hidden;
    }
    const FakeHost host;
    host.write("/sys/class/iommu", "a file");
    EXPECT_THAT(refused(host), HasSubstr("cannot be seen"));
}

TEST(GivenUp, UnitsOfTheKernel) {
    const std::pair<const char*, const char*> kinds[] = {{"dmar0", "intel_iommu=off intremap=off"},
                                                         {"smmu3.0x0000000009050000", "initcall_blacklist=arm_smmu_driver_init"},
                                                         {"smmu.0x000000002b400000", "initcall_blacklist=arm_smmu_driver_init"},
                                                         {"fd800000.iommu", "initcall_blacklist=ipmmu_driver_init,ipmmu_init"},
                                                         {"virtio0", "initcall_blacklist=virtio_iommu_drv_init"},
                                                         {"ivhd0", "amd_iommu=off"}};
    for (const auto& [unit, parameters] : kinds) {
        const FakeHost host;
        host.folder(std::string("/sys/class/iommu/") + unit);
        EXPECT_THAT(refused(host, {{0}, {~std::uint64_t{0} - 1}}), AllOf(HasSubstr(unit), HasSubstr(parameters)));
    }
}

TEST(GivenUp, GroupsOfUnitsWhosePlaceIsKnown) {
    const FakeHost host;
    host.write("/sys/class/iommu/dmar1/intel-iommu/address", "fed91000\n");
    host.link("/sys/kernel/iommu_groups/0/devices/0000:00:01.0/iommu", "../../virtual/iommu/dmar1");
    EXPECT_EQ(refused(host, vtd), "not refused");
    host.link("/sys/kernel/iommu_groups/0/devices/0000:00:02.0/iommu", "../../virtual/iommu/dmar2");
    EXPECT_THAT(refused(host, vtd), HasSubstr("1 IOMMU groups")) << "of a unit that is not shown";
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

// SPDX-License-Identifier: Apache-2.0
// The service on a stock Debian kernel that keeps VT-d (intel_iommu=on): it maps through VFIO, and hears of refusals from the
// kernel's log. One guest serves all tests.
#include <gmock/gmock.h>

#include "tests/linux/guest.hpp"

namespace smmu::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

const std::string words = "intel_iommu=on";
const std::vector<std::string> programs = {"smmuman", "smmuctl", "host_vfio"};
// Two functions of one device, which the kernel cannot tell apart; one of them is the kernel's.
const std::vector<std::string> devices = {"edu,addr=4.0,multifunction=on,dma_mask=0xffffffffffffffff", "nvme,serial=1,addr=4.1"};
const std::string functions =
    "mkdir -p /run/smmuman\n"
    "pci=/sys/bus/pci/devices\n"
    "give() { echo vfio-pci >$pci/$1/driver_override; echo $1 >/sys/bus/pci/drivers_probe; }\n"
    "group() { basename $(readlink $pci/$1/iommu_group); }\n"
    "die() { kill -9 $1; while [ -e /proc/$1/exe ]; do sleep 0.1; done; }\n"
    "story() { sleep 6; keep $1 host_vfio story; }\n"  // the kernel tells of ten refusals in five seconds, no more
    "until_said() { for i in $(seq 600); do grep -q $1 $2 && return; sleep 0.1; done; }\n";

class KernelKeepsTheUnit : public testing::Test {
protected:
    static void SetUpTestSuite() {
        ended_ = Guest{.words = words, .programs = programs, .modules = {"vfio_iommu_type1", "vfio-pci"}, .devices = devices}.run(
            functions +
            "keep refused smmuman smmu vfio smmu vtd\n"
            "keep start smmuman smmu vfio\n"
            "keep second smmuman smmu vfio\n"
            "keep unbound host_vfio claim 0 3 0\n"
            "echo identity >/sys/kernel/iommu_groups/$(group 0000:00:03.0)/type\n"
            "keep identity host_vfio claim 0 3 0\n"
            "echo DMA >/sys/kernel/iommu_groups/$(group 0000:00:03.0)/type\n"
            "give 0000:00:03.0; give 0000:00:04.0\n"
            "keep shared host_vfio claim 0 4 0\n"
            "story story\n"
            "echo 'DMAR: [DMA Read NO_PASID] Request device [00:03.0] fault addr 0xbad000 [fault reason 0x06] PTE Read access is not set' >/dev/kmsg\n"
            "host_vfio hold >/results/hold & client=$!; until_said waiting /results/hold\n"
            "keep held host_vfio claim 0 3 0\n"
            "keep status smmuctl status\n"
            "keep json smmuctl --json status\n"
            "die $client\n"
            "story after_death\n"
            "host_vfio leave >/results/leave & client=$!; until_said waiting /results/leave\n"
            "keep left host_vfio claim 0 3 0\n"
            "die $client\n"
            "keep after_leaving host_vfio claim 0 3 0\n"
            "echo 8 >/sys/module/vfio_iommu_type1/parameters/dma_entry_limit\n"
            "keep pieces host_vfio pieces\n"
            "echo 65535 >/sys/module/vfio_iommu_type1/parameters/dma_entry_limit\n"
            "host_vfio hold >/results/hold_on & client=$!; until_said waiting /results/hold_on\n"
            "die $(pidof smmuman)\n"
            "keep restart smmuman smmu vfio\n"
            "keep orphaned host_vfio claim 0 3 0\n"
            "die $client\n"
            "story restarted\n"
            "exit 0\n");
        ASSERT_EQ(ended_.status, 0) << testing::PrintToString(ended_);
    }
    static std::string result(const std::string& name) { return ended_.results[name]; }
    static std::string errors(const std::string& name) { return ended_.results[name + ".errors"]; }
    static std::string status(const std::string& name) { return ended_.results[name + ".status"]; }
    static inline Ended ended_;
};

constexpr const char* whole_story =
    "by address: ENOTSUP\n"
    "granted: arrived\n"
    "not granted: refused\n"
    "record: ours of device 0:3.0, access 2 at 0x120000, overrun\n"
    "cut out: refused\n"
    "before the cut: arrived\n"
    "behind the cut: arrived\n"
    "granted again: arrived\n"
    "moved, granted before: refused\n"
    "moved, granted there: arrived\n"
    "removed, descriptor kept: refused\n"
    "descriptor after removal: EPERM\n";

TEST_F(KernelKeepsTheUnit, ItStartsBesideTheKernel) {
    EXPECT_EQ(status("start"), "0\n") << errors("start");
    EXPECT_THAT(errors("start"), HasSubstr("contained 1 of 1 units"));
    EXPECT_EQ(status("second"), "3\n");
    EXPECT_THAT(errors("second"), HasSubstr("another smmuman"));
    EXPECT_EQ(status("refused"), "2\n");
    EXPECT_THAT(errors("refused"), HasSubstr("cannot stand beside `smmu vfio`"));
}

TEST_F(KernelKeepsTheUnit, ADeviceReachesWhatItWasGrantedAndNothingElse) {
    EXPECT_EQ(result("story"), whole_story) << errors("story");
}

TEST_F(KernelKeepsTheUnit, ItSaysWhyAGroupCannotBeHad) {
    EXPECT_THAT(result("unbound"), AllOf(HasSubstr("0000:00:03.0 (no driver)"), HasSubstr("vfio-pci"), HasSubstr("ENOENT")));
    EXPECT_THAT(result("identity"), AllOf(HasSubstr("of type identity"), HasSubstr("write DMA into"), HasSubstr("EPERM")));
    EXPECT_THAT(result("shared"), AllOf(HasSubstr("0000:00:04.0 (vfio-pci)"), HasSubstr("0000:00:04.1 (nvme)"), HasSubstr("EPERM")));
}

TEST_F(KernelKeepsTheUnit, ADeviceHasOneOwner) {
    EXPECT_THAT(result("held"), AllOf(HasSubstr("0000:00:03.0 belongs to"), HasSubstr("EBUSY")));
}

TEST_F(KernelKeepsTheUnit, WhoeverKeepsTheDescriptorKeepsOthersOut) {
    EXPECT_THAT(result("leave"), HasSubstr("granted: arrived"));
    EXPECT_THAT(result("left"), AllOf(HasSubstr("still has the descriptor"), HasSubstr("EBUSY")));
    EXPECT_EQ(result("after_leaving"), "claiming: had\n");
}

TEST_F(KernelKeepsTheUnit, TheDeadLoseTheDevice) {
    EXPECT_THAT(result("hold"), HasSubstr("granted: arrived"));
    EXPECT_EQ(result("after_death"), whole_story) << errors("after_death");
}

TEST_F(KernelKeepsTheUnit, OnlyTheKernelSaysWhatWasRefused) {
    EXPECT_THAT(result("json"), AllOf(HasSubstr("\"address\""), Not(HasSubstr("bad000"))));
    EXPECT_THAT(result("status"), AllOf(HasSubstr("1 of 1 units contained"), HasSubstr("on linux")));
}

TEST_F(KernelKeepsTheUnit, TheKernelsLimitOfMappingsIsSaid) {
    EXPECT_THAT(result("pieces"), AllOf(HasSubstr("after 7 pieces: granting: the kernel keeps 8 mappings"), HasSubstr("ENOSPC"), HasSubstr("joined: arrived")));
}

// What a dead service mapped is the kernel's to take away; while the device's descriptor is in use it does not.
TEST_F(KernelKeepsTheUnit, TheNextServiceGetsTheDeviceWhenItsUserIsGone) {
    EXPECT_EQ(status("restart"), "0\n") << errors("restart");
    EXPECT_THAT(result("orphaned"), AllOf(HasSubstr("another process has it"), HasSubstr("EBUSY")));
    EXPECT_EQ(result("restarted"), whole_story) << errors("restarted");
}

}  // namespace
}  // namespace smmu::test

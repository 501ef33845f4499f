// SPDX-License-Identifier: Apache-2.0
// What the kernel's drivers write of refusals, and what others write that looks like it.
#include "units/vfio/kernel_log.hpp"

#include <gmock/gmock.h>

#include <vector>

namespace smmu::units::vfio {
namespace {

using Reason = Refusal::Reason;

std::vector<LoggedRefusal> read(const std::vector<std::string>& records) {
    KernelLog log;
    std::vector<LoggedRefusal> found;
    for (const std::string& record : records)
        if (const Logged logged = log.take(record); logged.refusal) found.push_back(*logged.refusal);
    return found;
}

LoggedRefusal only(const std::vector<std::string>& records) {
    const auto found = read(records);
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? LoggedRefusal{} : found.front();
}

const std::string vtd = "DMAR: [DMA Read NO_PASID] Request device [00:03.0] fault addr 0x50000 [fault reason 0x06] PTE Read access is not set";

TEST(KernelLog, Vtd) {
    const LoggedRefusal found = only({"3,812,5120321,-;" + vtd + "\n"});
    EXPECT_EQ(found.segment, std::nullopt);
    EXPECT_EQ(found.requester, 0x18);
    EXPECT_EQ(found.refusal.address, Iova{0x50000});
    EXPECT_EQ(found.refusal.access, Access::read);
    EXPECT_EQ(found.refusal.reason, Reason::not_mapped);
    EXPECT_EQ(found.refusal.raw[0], 6u);
}

TEST(KernelLog, VtdWriteOfAProcess) {
    const LoggedRefusal found = only(
        {"3,1,2,-;DMAR: [DMA Write PASID 0x1f] Request device [f0:1f.7] fault addr 0xffffffffffffe000 [fault reason 0x59] SM: Present bit in PASID table entry is clear\n"});
    EXPECT_EQ(found.requester, 0xf0ff);
    EXPECT_EQ(found.refusal.address, Iova{0xffffffffffffe000});
    EXPECT_EQ(found.refusal.access, Access::write);
    EXPECT_EQ(found.refusal.reason, Reason::other);
}

TEST(KernelLog, AmdWithAndWithoutItsDevice) {
    const LoggedRefusal plain =
        only({"3,1,2,-;AMD-Vi: Event logged [IO_PAGE_FAULT device=0001:02:03.4 domain=0x0001 address=0x50000 flags=0x0020]\n"});
    EXPECT_EQ(plain.segment, 1);
    EXPECT_EQ(plain.requester, 0x021c);
    EXPECT_EQ(plain.refusal.access, Access::write);
    EXPECT_EQ(plain.refusal.reason, Reason::not_mapped);
    const LoggedRefusal of_device = only({"3,1,2,-;vfio-pci 0000:00:03.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x0001 address=0x50000 flags=0x0010]\n"
                                          " SUBSYSTEM=pci\n DEVICE=+pci:0000:00:03.0\n"});
    EXPECT_EQ(of_device.requester, 0x18);
    EXPECT_EQ(of_device.refusal.access, Access::read);
    EXPECT_EQ(of_device.refusal.reason, Reason::permission);
}

const std::string smmu = "6,1,2,-;arm-smmu-v3 9050000.smmuv3: ";
const std::vector<std::string> smmu_event = {smmu + "event 0x10 received:\n", smmu + "\\x090x0000001800000010\n", smmu + "\\x090x0000020800000000\n",
                                             smmu + "\\x090x0000000000050000\n", smmu + "\\x090x0000000000000000\n"};

TEST(KernelLog, SmmuInSeveralRecords) {
    const LoggedRefusal found = only(smmu_event);
    EXPECT_EQ(found.requester, 0x18);
    EXPECT_EQ(found.refusal.address, Iova{0x50000});
    EXPECT_EQ(found.refusal.access, Access::read);
    EXPECT_EQ(found.refusal.reason, Reason::not_mapped);
}

TEST(KernelLog, WordsOfOneSmmuOnly) {
    auto mixed = smmu_event;
    mixed[2] = "6,1,2,-;arm-smmu-v3 other: \\x090x0000020800000000\n";
    EXPECT_TRUE(read(mixed).empty());
    EXPECT_TRUE(read({smmu_event[1], smmu_event[2], smmu_event[3], smmu_event[4]}).empty()) << "without a beginning";
    auto interrupted = smmu_event;
    interrupted.insert(interrupted.begin() + 2, smmu + "something else\n");
    EXPECT_TRUE(read(interrupted).empty());
}

// User space may write into the log, but the kernel's facility is the kernel's.
TEST(KernelLog, OthersCannotForge) {
    for (const std::string priority : {"8", "11", "14", "1027", "4294967295", "99999999999", "-1", "", "x"})
        EXPECT_TRUE(read({priority + ",1,2,-;" + vtd + "\n"}).empty()) << priority;
    // The text of another message, whatever it holds, is not the driver's.
    EXPECT_TRUE(read({"6,1,2,-;usb 1-1: Product: " + vtd + "\n"}).empty());
    EXPECT_TRUE(read({"6,1,2,-;harmless\n KEY=" + vtd + "\n"}).empty());
    EXPECT_TRUE(read({"6,1,2,-;harmless\\x0a" + vtd + "\n"}).empty());
    const std::string amd = "AMD-Vi: Event logged [IO_PAGE_FAULT ", rest = "domain=0x0001 address=0x50000 flags=0x0010]\n";
    EXPECT_TRUE(read({"6,1,2,-;usb 1-1: Product: " + amd + rest}).empty());
    EXPECT_TRUE(read({"6,1,2,-;usb 1-1: Product: " + amd + "device=0000:00:03.0 " + rest}).empty());
    EXPECT_TRUE(read({"6,1,2,-;usb 1-1: Product: x 0000:00:03.0: " + amd + rest}).empty());
    EXPECT_TRUE(read({"6,1,2,-;usb 1-1: Product: arm-smmu-v3 9050000.smmuv3: event 0x10 received:\n"}).empty());
}

TEST(KernelLog, WhatIsNotWholeIsNothing) {
    const std::string record = "3,812,5120321,-;" + vtd;
    const std::size_t whole = record.find("] PTE");
    for (std::size_t length = 0; length <= whole; ++length) EXPECT_TRUE(read({record.substr(0, length)}).empty()) << length;
    EXPECT_EQ(read({record.substr(0, whole + 1)}).size(), 1u);
    EXPECT_TRUE(read({"3,1,2,-;DMAR: [DMA Read NO_PASID] Request device [00:20.0] fault addr 0x1 [fault reason 0x06]\n"}).empty()) << "no such device";
    EXPECT_TRUE(read({"3,1,2,-;DMAR: [DMA Read NO_PASID] Request device [00:03.8] fault addr 0x1 [fault reason 0x06]\n"}).empty());
    EXPECT_TRUE(read({"3,1,2,-;DMAR: [DMA Read NO_PASID] Request device [00:03.0] fault addr 0x11111111111111111 [fault reason 0x06]\n"}).empty());
    EXPECT_TRUE(read({"3,1,2,-;DMAR: [INTR-REMAP] Request device [00:03.0] fault index 0x1 [fault reason 0x22]\n"}).empty());
}

TEST(KernelLog, WhatTheKernelLeftOutIsCounted) {
    KernelLog log;
    EXPECT_EQ(log.take("4,1,2,-;dmar_fault: 23 callbacks suppressed\n").suppressed, 23u);
    EXPECT_EQ(log.take("12,1,2,-;dmar_fault: 23 callbacks suppressed\n").suppressed, 0u);
    EXPECT_EQ(log.take("4,1,2,-;net_ratelimit: 23 callbacks suppressed\n").suppressed, 0u);
}

}  // namespace
}  // namespace smmu::units::vfio

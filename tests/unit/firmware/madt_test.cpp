// SPDX-License-Identifier: Apache-2.0
// Frames of interrupt controllers: what is protected, what is a doorbell, and what is broken.
#include "firmware/madt.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "madt_bytes.hpp"

namespace smmu::firmware {
namespace {

using test::MadtBytes;

Madt read(const MadtBytes& bytes) {
    auto madt = parse_madt(bytes.table());
    EXPECT_TRUE(madt) << madt.error().text;
    return madt ? std::move(*madt) : Madt{};
}

// "first-last" of each frame, in hexadecimal.
std::string frames_of(const Madt& madt) {
    std::string text;
    for (const GicFrame& frame : madt.frames)
        text += fmt::format("{}{:x}-{:x}", text.empty() ? "" : " ", frame.range.first.value, frame.range.last.value);
    return text;
}

std::string only_finding(const Madt& madt) {
    return madt.findings.size() == 1 ? madt.findings[0].id + " " + madt.findings[0].origin.text : "not one finding";
}

TEST(Madt, FramesOfVersion3) {
    const Madt madt =
        read(MadtBytes().distributor(0x08000000, 3).cpu(0, 0).redistributors(0x080a0000, 0xf60000).its(0, 0x08080000));
    EXPECT_EQ(frames_of(madt), "8000000-800ffff 80a0000-8ffffff 8080000-808ffff");
    ASSERT_EQ(madt.services.size(), 1u);
    EXPECT_EQ(madt.services[0].doorbell, (PhysRange{PhysAddr{0x08090000}, PhysAddr{0x0809ffff}}));
    EXPECT_EQ(madt.services[0].origin.text, "APIC+0xa4");
    EXPECT_TRUE(madt.findings.empty());
}

TEST(Madt, RedistributorsOfProcessorsAndVirtualFrames) {
    const auto three = MadtBytes().cpu(0, 0x20000000).cpu(0, 0x20020000).distributor(0x10000000, 3);
    EXPECT_EQ(frames_of(read(three)), "20000000-2001ffff 20020000-2003ffff 10000000-1000ffff");
    const auto four = MadtBytes().cpu(0, 0x20000000).its(7, 0x30000000).distributor(0x10000000, 4);
    EXPECT_EQ(frames_of(read(four)), "20000000-2003ffff 30000000-3000ffff 30020000-3003ffff 10000000-1000ffff");
}

TEST(Madt, FramesOfVersion2) {
    const Madt madt = read(MadtBytes().distributor(0x08000000, 2).cpu(0x08010000, 0).cpu(0x08010000, 0).message_frame(0, 0x08020000));
    EXPECT_EQ(frames_of(madt), "8000000-8000fff 8010000-8011fff");
    ASSERT_EQ(madt.message_frames.size(), 1u);
    EXPECT_EQ(madt.message_frames[0].doorbell, (PhysRange{PhysAddr{0x08020000}, PhysAddr{0x08020fff}}));
}

TEST(Madt, X86HasNothingForUs) {
    const Madt madt = read(MadtBytes().raw({0, 8, 0, 0, 1, 0, 0, 0}).raw({1, 12, 0, 0, 0, 0, 0xc0, 0xfe, 0, 0, 0, 0}));
    EXPECT_TRUE(madt.frames.empty() && madt.services.empty() && madt.findings.empty());
}

TEST(Madt, BrokenStructuresAreDroppedAndTheRestIsKept) {
    EXPECT_EQ(only_finding(read(MadtBytes().its(0, 0x08080800))), "madt-its-bad APIC+0x2c");
    EXPECT_EQ(only_finding(read(MadtBytes().its(0, 0xffffffffffff0000))), "madt-its-bad APIC+0x2c");
    EXPECT_EQ(only_finding(read(MadtBytes().its(0, 0x08080000).its(0, 0x09080000))), "madt-its-twice APIC+0x40");
    EXPECT_EQ(only_finding(read(MadtBytes().message_frame(0, 0x08020004))), "madt-message-frame-bad APIC+0x2c");
    EXPECT_EQ(only_finding(read(MadtBytes().redistributors(0x08000000, 0))), "madt-frame-bad APIC+0x2c");
    const Madt shorter = read(MadtBytes().raw({0x0f, 4, 0, 0}).its(0, 0x08080000));
    EXPECT_EQ(only_finding(shorter), "madt-structure-short APIC+0x2c");
    EXPECT_EQ(shorter.services.size(), 1u);
    const Madt cut = read(MadtBytes().its(0, 0x08080000).raw({0x0f, 0}));
    EXPECT_EQ(only_finding(cut), "madt-structure-cut APIC+0x40");
    EXPECT_EQ(cut.services.size(), 1u);
}

TEST(Madt, MoreFramesThanAMachineHas) {
    MadtBytes bytes;
    for (std::uint64_t i = 0; i <= most_gic_frames; ++i) bytes.redistributors(0x100000000 + i * 0x20000, 0x20000);
    const Madt madt = read(bytes);
    EXPECT_EQ(madt.frames.size(), most_gic_frames);
    EXPECT_EQ(only_finding(madt), "madt-too-many-frames APIC+0x24");
}

TEST(Madt, RefusedAsAWhole) {
    auto bytes = MadtBytes().table();
    bytes[40] = std::byte{1};
    EXPECT_FALSE(parse_madt(bytes));
    EXPECT_FALSE(parse_madt({}));
}

}  // namespace
}  // namespace smmu::firmware

// SPDX-License-Identifier: Apache-2.0
// Advice: which lines, and for what none.
#include "cli/advice.hpp"

#include <gmock/gmock.h>

#include "cli/explain_text.hpp"
#include "cli/reach.hpp"
#include "tests/unit/cli/golden.hpp"
#include "tests/unit/cli/machines.hpp"

namespace smmu::test {
namespace {

using namespace cli;
using testing::ElementsAre;
using testing::HasSubstr;
using Kind = Advice::Kind;

report::Status refusing(std::vector<report::Event> refusals) {
    report::Status status = small_machine();
    status.refusals = std::move(refusals);
    return status;
}
const report::Device& owned(const report::Status& status) { return status.devices[1]; }
const report::Device& unowned(const report::Status& status) { return status.devices[2]; }

TEST(Advice, AllOfTheSmallMachine) { expect_golden("small-suggest.txt", suggest_text(advise(small_machine()))); }

TEST(Advice, ExplainsEveryDevice) {
    const report::Status status = small_machine();
    std::string text;
    for (const report::Device& device : status.devices) text += explain_text(status, device, {}) + "\n----\n";
    expect_golden("small-explain.txt", text);
}

TEST(Advice, NeighbouringPagesOfOneAccessAreOneLine) {
    const report::Status machine = small_machine();
    const report::Device& device = unowned(machine);
    const auto advice = advise(refusing({make_refusal(1, device, "w", 0x5001ff0, "not-attached"),
                                         make_refusal(2, device, "w", 0x5000010, "not-attached"),
                                         make_refusal(3, device, "r", 0x5002000, "not-attached"),
                                         make_refusal(4, device, "r", 0x5004000, "not-attached"),
                                         make_refusal(5, device, "w", 0x5004008, "not-attached", 3)}));
    ASSERT_EQ(advice.size(), 1u);
    EXPECT_EQ(advice[0].kind, Kind::configuration);
    EXPECT_EQ(advice[0].refusals, 7u);
    EXPECT_THAT(advice[0].lines,
                ElementsAre("allow open_0000_00_04_0 0x5000000,8K,w", "allow open_0000_00_04_0 0x5002000,4K,r",
                            "allow open_0000_00_04_0 0x5004000,4K,rw", "device 0000:00:04.0 open_0000_00_04_0"));
}

TEST(Advice, ProtectedMemoryIsNeverSuggestedWhateverTheCause) {
    const report::Status machine = small_machine();
    for (const char* cause : {"not-attached", "never-granted", "protected", "permission", "overrun"})
        for (const std::uint64_t address : {0xfed90000u, 0xfed90fffu, 0xfee00010u}) {
            const auto advice = advise(refusing({make_refusal(1, unowned(machine), "w", address, cause)}));
            ASSERT_EQ(advice.size(), 1u);
            EXPECT_EQ(advice[0].kind, Kind::never) << cause;
            EXPECT_TRUE(advice[0].lines.empty());
            EXPECT_THAT(advice[0].text, HasSubstr("protected"));
        }
}

TEST(Advice, RegistersOfADeviceThatSomebodyOwnsAreNotSuggestedToAnother) {
    const report::Status machine = small_machine();
    const auto advice = advise(refusing({make_refusal(1, unowned(machine), "w", 0xfe000000, "not-attached")}));
    ASSERT_EQ(advice.size(), 1u);
    EXPECT_EQ(advice[0].kind, Kind::never);
    EXPECT_THAT(advice[0].text, HasSubstr("registers of 0000:00:03.0"));
}

TEST(Advice, AnOwnedDevicesClientMustGrant) {
    const report::Status machine = small_machine();
    const auto advice = advise(refusing({make_refusal(1, owned(machine), "w", 0x5000000, "never-granted")}));
    ASSERT_EQ(advice.size(), 1u);
    EXPECT_EQ(advice[0].kind, Kind::client);
    EXPECT_TRUE(advice[0].lines.empty());
    EXPECT_THAT(advice[0].text, HasSubstr("smmu_mapping_add: 0x5000000-0x5000fff (4 KiB), write"));
    EXPECT_THAT(advice[0].text, HasSubstr("edu_driver"));
}

TEST(Advice, ADeviceThatShouldBeBlockedGetsNoLine) {
    const report::Status machine = small_machine();
    const auto advice = advise(refusing({make_refusal(1, machine.devices[5], "w", 0x5000000, "not-attached")}));
    ASSERT_EQ(advice.size(), 1u);
    EXPECT_EQ(advice[0].kind, Kind::never);
    EXPECT_THAT(advice[0].text, HasSubstr("`blocked`"));
}

TEST(Advice, WhatIsOpenByNowNeedsNothing) {
    const report::Status machine = small_machine();
    EXPECT_TRUE(advise(refusing({make_refusal(1, unowned(machine), "r", 0x2000010, "not-attached")})).empty());
    EXPECT_FALSE(advise(refusing({make_refusal(1, unowned(machine), "w", 0x2000010, "not-attached")})).empty());
}

TEST(Advice, TheTopOfTheAddressSpaceDoesNotWrap) {
    const report::Status machine = small_machine();
    const auto advice = advise(refusing({make_refusal(1, unowned(machine), "w", ~std::uint64_t{0}, "not-attached"),
                                         make_refusal(2, unowned(machine), "w", 0, "not-attached")}));
    ASSERT_EQ(advice.size(), 1u);
    EXPECT_EQ(advice[0].lines.size(), 3u) << "two windows and the device";
}

TEST(Reach, ProtectedMemoryIsCutOutOfWhatFirmwareGives) {
    report::Status status = small_machine();
    status.devices[2].grants = {{"reserved", 0xfed8f000, 0xfed91fff, "rw", true, "DMAR+0x78"}};
    const auto openings = reach(status, status.devices[2]);
    ASSERT_EQ(openings.size(), 2u);
    EXPECT_EQ(openings[0].last, 0xfed8ffffu);
    EXPECT_EQ(openings[1].first, 0xfed91000u);
    EXPECT_EQ(openings[1].physical, 0xfed91000u);
}

TEST(Reach, AGroupReachesWhatOneOfItsDevicesMay) {
    report::Status status = small_machine();
    status.devices[4].grants = {{"startup", 0x6000000, 0x6000fff, "rw", true, "board.smmu:9:1"}};
    const auto openings = reach(status, status.devices[5]);
    ASSERT_EQ(openings.size(), 1u);
    EXPECT_THAT(openings[0].why, HasSubstr("0000:02:01.0"));
}

}  // namespace
}  // namespace smmu::test

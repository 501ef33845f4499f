// SPDX-License-Identifier: Apache-2.0
// What user space finds on a stock kernel of a PC with VT-d, with the unit taken from Linux and
// with Linux keeping it; and that a guest that goes wrong is noticed. One guest serves several
// tests.
#include <gmock/gmock.h>

#include "tests/linux/guest.hpp"

namespace smmu::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;
using testing::StartsWith;

Ended boot(const std::string& words, const std::string& further) {
    return Guest{.words = words, .programs = {"guest_probe", "smmuctl"}}.run(
        "keep version guest_probe register 0xfed90000\n"
        "keep no_page guest_probe hugepage\n"
        "echo 2 >/proc/sys/vm/nr_hugepages\n"
        "keep page guest_probe hugepage\n"
        "keep dmar cat /sys/firmware/acpi/tables/DMAR\n"
        "keep tables smmuctl tables\n"
        "keep json smmuctl --json tables\n" +
        further);
}

class UnitGivenAway : public testing::Test {
protected:
    static void SetUpTestSuite() {
        ended_ =
            boot("intel_iommu=off intremap=off", "mkdir /results/a; echo b >/results/a/b; exit 7");
    }
    static std::string result(const std::string& name) { return ended_.results[name]; }
    static inline Ended ended_;
};

TEST_F(UnitGivenAway, TheStatusOfTheScriptComesBack) {
    EXPECT_EQ(ended_.status, 7) << testing::PrintToString(ended_);
    EXPECT_THAT(ended_.said, IsEmpty());
}

TEST_F(UnitGivenAway, FilesInFoldersComeBack) {
    EXPECT_EQ(result("a/b"), "b\n");
}

TEST_F(UnitGivenAway, ItsRegistersCanBeReached) {
    EXPECT_EQ(result("version"), "00000010\n") << "version 1.0; " << result("version.errors");
}

TEST_F(UnitGivenAway, AHugePageHasAPhysicalAddressOnceThereAreAny) {
    EXPECT_THAT(result("no_page.errors"), HasSubstr("Cannot allocate memory"));
    ASSERT_THAT(result("page"), MatchesRegex("[0-9a-f]+\n")) << result("page.errors");
    const auto address = std::stoull(result("page"), nullptr, 16);
    EXPECT_NE(address, 0u) << "the page map hides addresses from those who may not see them";
    EXPECT_EQ(address % (2u << 20), 0u);
}

TEST_F(UnitGivenAway, SmmuctlReadsTheFirmwareTables) {
    EXPECT_THAT(result("dmar"), StartsWith("DMAR"));
    EXPECT_EQ(result("tables.status"), "0\n") << result("tables.errors");
    EXPECT_THAT(result("tables"), AllOf(HasSubstr("vtd@fed90000"), HasSubstr("0000:00:03.0")));
    EXPECT_EQ(result("json.status"), "0\n") << result("json.errors");
    EXPECT_THAT(result("json"), HasSubstr("vtd@fed90000"));
}

TEST(UnitKeptByLinux, ItsRegistersAreRefused) {
    Ended ended = boot("intel_iommu=on", "");
    EXPECT_EQ(ended.status, 0) << testing::PrintToString(ended);
    EXPECT_THAT(ended.results["version"], IsEmpty());
    EXPECT_THAT(ended.results["version.errors"], HasSubstr("Operation not permitted"));
    EXPECT_THAT(ended.results["dmar"], StartsWith("DMAR")) << "only the registers are kept";
}

TEST(GuestGone, WhenItHangsItIsEndedAtTheDeadline) {
    const Ended ended = Guest{.deadline = std::chrono::seconds(3)}.run("sleep 1000");
    EXPECT_EQ(ended.status, Ended::at_deadline);
    EXPECT_THAT(ended.said, HasSubstr("ended at its deadline of 3 s"));
    EXPECT_THAT(ended.results, IsEmpty());
}

TEST(GuestGone, WhenItsKernelPanicsThereIsNoResult) {
    const Ended ended =
        Guest{}.run("echo begun; echo kept >/results/file; echo c >/proc/sysrq-trigger");
    EXPECT_EQ(ended.status, Ended::no_result);
    EXPECT_THAT(ended.console, AllOf(HasSubstr("begun"), HasSubstr("Kernel panic")));
    EXPECT_THAT(ended.said, HasSubstr("ended without a result"));
    EXPECT_THAT(ended.results, IsEmpty());
}

TEST(GuestGone, AModuleThatTheKernelLacksIsNamed) {
    const Ended ended = Guest{.modules = {"no-such-module"}}.run("exit 0");
    EXPECT_EQ(ended.status, Ended::no_result);
    EXPECT_THAT(ended.said, HasSubstr("the kernel has no module no_such_module"));
}

}  // namespace
}  // namespace smmu::test

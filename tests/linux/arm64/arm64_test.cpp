// SPDX-License-Identifier: Apache-2.0
// What user space finds on a stock arm64 kernel of a machine with an SMMUv3, and that the programs
// built for arm64 run there.
#include <gmock/gmock.h>

#include "tests/linux/guest.hpp"

namespace smmu::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

Ended boot(const std::string& words, const std::string& further) {
    return Guest{
        .architecture = "arm64", .words = words, .programs = {"guest_probe", "smmuctl", "smmuman"}}
        .run(
            "keep identity guest_probe register 0x09050000\n"
            "echo 2 >/proc/sys/vm/nr_hugepages\n"
            "keep page guest_probe hugepage\n"
            "mkdir /tmp/tables; ln -s /sys/firmware/fdt /tmp/tables/machine.dtb\n"
            "keep tables smmuctl tables /tmp/tables\n"
            "keep help smmuman --help\n" +
            further);
}

class UnitGivenAway : public testing::Test {
protected:
    static void SetUpTestSuite() {
        ended_ = boot("initcall_blacklist=arm_smmu_driver_init", "exit 7");
    }
    static std::string result(const std::string& name) { return ended_.results[name]; }
    static inline Ended ended_;
};

TEST_F(UnitGivenAway, TheStatusOfTheScriptComesBack) {
    EXPECT_EQ(ended_.status, 7) << testing::PrintToString(ended_);
}

TEST_F(UnitGivenAway, ItsRegistersCanBeReached) {
    EXPECT_THAT(result("identity"), MatchesRegex("0d[0-9a-f]+\n"))
        << "SMMU_IDR0; " << result("identity.errors");
}

TEST_F(UnitGivenAway, AHugePageHasAPhysicalAddress) {
    EXPECT_THAT(result("page"), MatchesRegex("0*[1-9a-f][0-9a-f]*00000\n"))
        << result("page.errors");
}

TEST_F(UnitGivenAway, SmmuctlReadsTheDeviceTree) {
    EXPECT_EQ(result("tables.status"), "0\n") << result("tables.errors");
    EXPECT_THAT(result("tables"), HasSubstr("9050000"));
}

TEST_F(UnitGivenAway, TheServiceRuns) {
    EXPECT_EQ(result("help.status"), "0\n") << result("help.errors");
    EXPECT_THAT(result("help"), HasSubstr("smmuman"));
}

TEST(UnitKeptByLinux, ItsRegistersAreRefused) {
    Ended ended = boot("", "exit 0");
    EXPECT_EQ(ended.status, 0) << testing::PrintToString(ended);
    EXPECT_THAT(ended.results["identity"], IsEmpty());
    EXPECT_THAT(ended.results["identity.errors"], HasSubstr("Operation not permitted"));
}

}  // namespace
}  // namespace smmu::test

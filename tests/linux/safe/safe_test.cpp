// SPDX-License-Identifier: Apache-2.0
// Crashes on a stock Debian kernel: what clients had is blocked with whatever is left, and what hardware walks is never set free.
#include <gmock/gmock.h>

#include "tests/linux/guest.hpp"

namespace smmu::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// `die` waits until the process is gone and its memory with it. `again NAME` has the client's device write once more.
constexpr const char* words = R"(
die() { kill -9 $1; while [ -e /proc/$1/exe ]; do sleep 0.1; done; }
hold() { smmuman-holder >>/results/holder 2>&1 & until answers; do sleep 0.1; done; }
answers() { grep -q /run/smmuman-holder/socket /proc/net/unix && pidof smmuman-holder >/dev/null; }
client() { host_edu hold >/results/client 2>&1 & client=$!; until grep -q behind /results/client; do sleep 0.1; done; }
again() {
    before=$(grep -c again /results/client)
    kill -USR1 $client
    until [ $(grep -c again /results/client) -gt $before ]; do sleep 0.1; done
    tail -n 1 /results/client >/results/$1
}
echo 'smmu vtd' >board.smmu
)";

class Crash : public testing::Test {
protected:
    static void boot(const std::string& script) {
        const std::vector<std::string> programs = {"smmuman", "smmuman-holder", "smmuctl", "host_edu"};
        ended_ = Guest{.words = "intel_iommu=off intremap=off hugepages=40", .programs = programs}.run(
            words + script + "exit 0\n");
        ASSERT_EQ(ended_.status, 0) << testing::PrintToString(ended_);
    }
    static std::string result(const std::string& name) { return ended_.results[name]; }
    static std::string errors(const std::string& name) { return ended_.results[name + ".errors"]; }
    static std::string status(const std::string& name) { return ended_.results[name + ".status"]; }
    static inline Ended ended_;
};

class BrokenConfiguration : public Crash {
protected:
    static void SetUpTestSuite() {
        boot(R"(
hold
keep start smmuman @board.smmu
client
again running
die $(pidof smmuman)
again crashed
echo nonsense >>board.smmu
keep restart smmuman @board.smmu
again broken
keep safe smmuman --safe-state @board.smmu
again safe
keep safe_again smmuman --safe-state @/nowhere/board.smmu
die $client
echo 'smmu vtd' >board.smmu
keep mended smmuman @board.smmu
keep copy host_edu copy
keep status smmuctl status
)");
    }
};

TEST_F(BrokenConfiguration, DoesNotKeepSafeStateFromBlocking) {
    EXPECT_EQ(status("start"), "0\n") << errors("start");
    EXPECT_EQ(result("running"), "again: arrived\n");
    EXPECT_EQ(result("crashed"), "again: arrived\n") << "hardware goes on with what it was given";
    EXPECT_EQ(status("restart"), "2\n");
    EXPECT_EQ(result("broken"), "again: arrived\n") << "a start that ends in its configuration has touched nothing";
    EXPECT_EQ(status("safe"), "0\n") << errors("safe");
    EXPECT_THAT(errors("safe"), AllOf(HasSubstr("startup mappings go as well"), HasSubstr("board.smmu:2:1"), HasSubstr("everything is refused")));
    EXPECT_EQ(result("safe"), "again: refused\n");
    EXPECT_EQ(status("safe_again"), "0\n") << errors("safe_again");
}

TEST_F(BrokenConfiguration, TheNextServiceGoesOn) {
    EXPECT_EQ(status("mended"), "0\n") << errors("mended");
    EXPECT_EQ(status("copy"), "0\n") << result("copy") << errors("copy");
    EXPECT_THAT(result("status"), HasSubstr("1 of 1 units contained"));
}

class HolderGone : public Crash {
protected:
    static void SetUpTestSuite() {
        boot(R"(
hold
keep start smmuman @board.smmu
keep tables host_edu pages $(pidof smmuman)
client
die $(pidof smmuman-holder)
sleep 2
keep gone smmuctl --json status
hold
sleep 3
keep back smmuctl --json status
die $(pidof smmuman)
keep adopt smmuman @board.smmu
again adopted
keep tables_again host_edu pages $(pidof smmuman)
die $client
client
die $(pidof smmuman-holder)
die $(pidof smmuman)
keep safe smmuman --safe-state @board.smmu
again safe
keep safe_again smmuman --safe-state @board.smmu
die $client
keep without smmuman @board.smmu
hold
keep fresh smmuman @board.smmu
keep copy host_edu copy
keep status smmuctl status
client
die $(pidof smmuman-holder)
kill $(pidof smmuman); while pidof smmuman; do sleep 0.1; done
again stopped
keep safe_stopped smmuman --safe-state @board.smmu
)");
    }
};

TEST_F(HolderGone, ItsSuccessorIsGivenEverything) {
    EXPECT_EQ(status("start"), "0\n") << errors("start");
    EXPECT_THAT(result("gone"), HasSubstr("holder-gone"));
    EXPECT_THAT(result("back"), Not(HasSubstr("holder-gone")));
    EXPECT_EQ(status("adopt"), "0\n") << errors("adopt");
    EXPECT_NE(result("tables"), "");
    EXPECT_EQ(result("tables_again"), result("tables")) << "the memory that hardware walked was kept";
    EXPECT_EQ(result("adopted"), "again: refused\n");
}

TEST_F(HolderGone, TogetherWithTheServiceTheUnitRefusesWithoutTables) {
    EXPECT_EQ(status("safe"), "0\n") << errors("safe");
    EXPECT_THAT(errors("safe"), AllOf(HasSubstr("everything is refused, startup mappings too"), HasSubstr("smmuman-holder does not answer")));
    EXPECT_EQ(result("safe"), "again: refused\n");
    EXPECT_EQ(status("safe_again"), "0\n") << errors("safe_again");
    EXPECT_THAT(errors("safe_again"), HasSubstr("everything is refused")) << "it does not believe that an earlier one came to its end";
}

TEST_F(HolderGone, AStopLeavesNoTablesThatNobodyKeeps) {
    EXPECT_THAT(errors("fresh"), HasSubstr("nobody keeps its tables: shut"));
    EXPECT_EQ(result("stopped"), "again: refused\n");
    EXPECT_EQ(status("safe_stopped"), "0\n") << errors("safe_stopped");
    EXPECT_THAT(errors("safe_stopped"), AllOf(HasSubstr("everything is refused"), Not(HasSubstr("left as it is"))));
}

TEST_F(HolderGone, TheNextServiceContainsWithNewTables) {
    EXPECT_EQ(status("without"), "3\n") << errors("without");
    EXPECT_EQ(status("fresh"), "0\n") << errors("fresh");
    EXPECT_EQ(status("copy"), "0\n") << result("copy") << errors("copy");
    EXPECT_THAT(result("status"), HasSubstr("1 of 1 units contained"));
}

}  // namespace
}  // namespace smmu::test

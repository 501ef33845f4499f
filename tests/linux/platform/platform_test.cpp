// SPDX-License-Identifier: Apache-2.0
// The service on a stock Debian kernel that leaves VT-d to it, and on kernels that do not. One guest serves several tests.
#include <gmock/gmock.h>

#include "tests/linux/guest.hpp"

namespace smmu::test {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

const std::vector<std::string> programs = {"smmuman", "smmuman-holder", "smmuctl", "host_edu"};
const std::string given_up = "intel_iommu=off intremap=off";
const std::string holder = "smmuman-holder & while [ ! -S /run/smmuman-holder/socket ]; do sleep 0.1; done\n"
                           "mkdir -p /run/smmuman\n";
// Its memory is gone when its program is.
const std::string die = "die() { kill -9 $1; while [ -e /proc/$1/exe ]; do sleep 0.1; done; }\n";
const std::string free_pages = "grep HugePages_Free /proc/meminfo";

class UnitGivenUp : public testing::Test {
protected:
    static void SetUpTestSuite() {
        ended_ = Guest{.words = given_up + " hugepages=40", .programs = programs}.run(
            die +
            "keep no_holder smmuman smmu vtd\n" + holder +
            "keep no_words smmuman\n"
            "keep start smmuman smmu vtd\n"
            "keep status smmuctl status\n"
            "keep second smmuman smmu vtd\n"
            "keep free_before " + free_pages + "\n"
            "keep copy host_edu copy\n"
            "keep refusals smmuctl devices\n"
            "keep free_after " + free_pages + "\n"
            "keep tables host_edu pages $(pidof smmuman)\n"
            "for page in $(cat /results/tables); do echo $page >/sys/devices/system/memory/soft_offline_page; done 2>/results/offline\n"
            "host_edu hold >/results/hold & client=$!\n"
            "until grep -q behind /results/hold; do sleep 0.1; done\n"
            "die $(pidof smmuman); die $client\n"
            "keep free_orphaned " + free_pages + "\n"
            "keep restart smmuman smmu vtd\n"
            "keep free_restarted " + free_pages + "\n"
            "keep tables_again host_edu pages $(pidof smmuman)\n"
            "keep copy_again host_edu copy\n"
            "keep status_again smmuctl status\n"
            "keep larger sh -c 'kill $(pidof smmuman); while pidof smmuman; do sleep 0.1; done; smmuman smmu vtd tables 64M'\n"
            "exit 0\n");
        ASSERT_EQ(ended_.status, 0) << testing::PrintToString(ended_);
    }
    static std::string result(const std::string& name) { return ended_.results[name]; }
    static std::string errors(const std::string& name) { return ended_.results[name + ".errors"]; }
    static std::string status(const std::string& name) { return ended_.results[name + ".status"]; }
    static inline Ended ended_;
};

constexpr const char* all_was_right = "granted: arrived\nnot granted: refused\ngiven back behind the service's back: held\n";

TEST_F(UnitGivenUp, ItStartsAndContains) {
    EXPECT_EQ(status("start"), "0\n") << errors("start");
    EXPECT_THAT(errors("start"), HasSubstr("contained 1 of 1 units"));
    EXPECT_THAT(result("status"), AllOf(HasSubstr("1 of 1 units contained"), HasSubstr("on linux")));
}

TEST_F(UnitGivenUp, ItSaysWhatIsMissing) {
    EXPECT_EQ(status("no_holder"), "3\n");
    EXPECT_THAT(errors("no_holder"), HasSubstr("smmuman-holder does not answer"));
    EXPECT_EQ(status("no_words"), "2\n");
    EXPECT_THAT(errors("no_words"), HasSubstr("smmu vtd"));
}

TEST_F(UnitGivenUp, ASecondServiceIsRefused) {
    EXPECT_EQ(status("second"), "3\n");
    EXPECT_THAT(errors("second"), HasSubstr("another smmuman"));
}

TEST_F(UnitGivenUp, ADeviceReachesWhatItWasGrantedAndNothingElse) {
    EXPECT_EQ(status("copy"), "0\n") << errors("copy");
    EXPECT_EQ(result("copy"), all_was_right);
    EXPECT_THAT(result("refusals"), ContainsRegex("0000:00:03.0 .* U0:0018  1 ")) << "one refusal of this device";
    EXPECT_EQ(result("free_before"), result("free_after")) << "the client's pages are free again";
}

TEST_F(UnitGivenUp, TableMemoryCannotBeMoved) {
    const auto lines = [](const std::string& text) { return std::ranges::count(text, '\n'); };
    EXPECT_EQ(lines(result("tables")), 16);
    EXPECT_EQ(lines(result("offline")), 16) << result("offline");
    EXPECT_THAT(result("offline"), HasSubstr("busy"));
}

TEST_F(UnitGivenUp, TheNextServiceFindsTheSameTables) {
    EXPECT_EQ(status("restart"), "0\n") << errors("restart");
    EXPECT_EQ(result("tables_again"), result("tables"));
    EXPECT_EQ(result("copy_again"), all_was_right) << errors("copy_again");
    EXPECT_THAT(result("status_again"), HasSubstr("1 of 1 units contained"));
}

TEST_F(UnitGivenUp, MemoryOfTheDeadIsHeldUntilTheUnitsAreTakenOver) {
    EXPECT_EQ(result("hold"), all_was_right);
    EXPECT_NE(result("free_orphaned"), result("free_before")) << "hardware could still reach it";
    EXPECT_EQ(result("free_restarted"), result("free_before"));
}

TEST_F(UnitGivenUp, TablesOfABootDoNotGrow) {
    EXPECT_EQ(status("larger"), "2\n");
    EXPECT_THAT(errors("larger"), HasSubstr("say `tables 32M`"));
}

TEST(ReservedRange, HoldsTheTables) {
    Ended ended = Guest{.words = given_up + " memmap=16M$0x10000000", .programs = programs}.run(
        die + holder +
        "keep memory smmuman smmu vtd tables 0x08000000,16M\n"
        "keep start smmuman smmu vtd tables 0x10000000,16M\n"
        "die $(pidof smmuman)\n"
        "keep restart smmuman smmu vtd tables 0x10000000,16M\n"
        "keep status smmuctl status\n");
    EXPECT_EQ(ended.results["memory.status"], "2\n");
    EXPECT_THAT(ended.results["memory.errors"], HasSubstr("System RAM"));
    EXPECT_EQ(ended.results["start.status"], "0\n") << testing::PrintToString(ended);
    EXPECT_EQ(ended.results["restart.status"], "0\n") << testing::PrintToString(ended);
    EXPECT_THAT(ended.results["status"], HasSubstr("16380 KiB"));
}

TEST(HugePages, TooFew) {
    Ended ended = Guest{.words = given_up + " hugepages=3", .programs = programs}.run(
        holder + "keep usual smmuman smmu vtd\n"
                 "keep small smmuman smmu vtd tables 2M\n");
    EXPECT_EQ(ended.results["usual.status"], "3\n") << testing::PrintToString(ended);
    EXPECT_THAT(ended.results["usual.errors"], HasSubstr("needs 16 huge pages of 2 MiB, and 3 are free; reserve them with `sysctl vm.nr_hugepages=16`"));
    EXPECT_EQ(ended.results["small.status"], "0\n") << ended.results["small.errors"];
}

TEST(DeviceOfTheKernel, IsNotCutOffUnasked) {
    const Guest guest{.words = given_up + " hugepages=20", .programs = programs, .devices = {"nvme,serial=1,addr=5"}};
    Ended ended = guest.run(holder + "until [ -e /sys/bus/pci/devices/0000:00:05.0/driver ]; do sleep 0.1; done\n"
                                     "keep unasked smmuman smmu vtd\n"
                                     "keep asked smmuman smmu vtd device 0000:00:05.0 host\n"
                                     "keep status smmuctl status\n");
    EXPECT_EQ(ended.results["unasked.status"], "2\n") << testing::PrintToString(ended);
    EXPECT_THAT(ended.results["unasked.errors"],
                AllOf(HasSubstr("1 unit was left as found"), HasSubstr("0000:00:05.0 is used by nvme: add `device 0000:00:05.0 host`")));
    EXPECT_EQ(ended.results["asked.status"], "0\n") << ended.results["asked.errors"];
    EXPECT_THAT(ended.results["status"], HasSubstr("1 host"));
}

// Nothing is touched while the kernel drives a unit, whether for DMA or for interrupts only.
TEST(UnitOfTheKernel, IsLeftAlone) {
    for (const std::string words : {"intel_iommu=on", "intel_iommu=off"}) {
        Ended ended = Guest{.words = words + " hugepages=20", .programs = programs}.run(
            holder + "keep start smmuman smmu vtd\nkeep check smmuman --check\n");
        EXPECT_EQ(ended.results["start.status"], "3\n") << testing::PrintToString(ended);
        EXPECT_THAT(ended.results["start.errors"], AllOf(HasSubstr("dmar0"), HasSubstr("intel_iommu=off intremap=off"), Not(HasSubstr("contained 1"))));
        EXPECT_THAT(ended.results["check"], AllOf(HasSubstr("vtd@fed90000"), HasSubstr("# not read: ")));
    }
}

}  // namespace
}  // namespace smmu::test

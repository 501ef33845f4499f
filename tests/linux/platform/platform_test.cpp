// SPDX-License-Identifier: Apache-2.0
// The service on a stock Debian kernel that leaves VT-d or an SMMUv3 to it, and on kernels that do not. One guest of a machine
// serves several tests.
#include <gmock/gmock.h>

#include <map>

#include "tests/linux/machine.hpp"

namespace smmu::test {
namespace {

using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

const std::vector<std::string> programs = {"smmuman", "smmuman-holder", "smmuctl", "host_edu"};
const std::string holder = "smmuman-holder & while [ ! -S /run/smmuman-holder/socket ]; do sleep 0.1; done\n"
                           "mkdir -p /run/smmuman\n";
// Its memory is gone when its program is.
const std::string die = "die() { kill -9 $1; while [ -e /proc/$1/exe ]; do sleep 0.1; done; }\n";
const std::string free_pages = "grep HugePages_Free /proc/meminfo";

class UnitGivenUp : public testing::TestWithParam<Machine> {
protected:
    void SetUp() override { ASSERT_EQ(ended().status, 0) << testing::PrintToString(ended()); }
    std::string result(const std::string& name) const { return ended().results[name]; }
    std::string errors(const std::string& name) const { return result(name + ".errors"); }
    std::string status(const std::string& name) const { return result(name + ".status"); }

private:
    static Ended& ended() {
        static std::map<std::string, Ended> of_machines;
        const auto known = of_machines.find(GetParam().architecture);
        return known != of_machines.end() ? known->second : of_machines.emplace(GetParam().architecture, boot(GetParam())).first->second;
    }
    static Ended boot(const Machine& machine) {
        const Guest guest{.architecture = machine.architecture, .words = machine.given_up + " hugepages=40", .programs = programs};
        const std::string start = machine.service();
        return guest.run(
            die +
            "keep no_holder " + start + "\n" + holder +
            "keep no_words smmuman\n"
            "keep start " + start + "\n"
            "keep status smmuctl status\n"
            "keep second " + start + "\n"
            "keep free_before " + free_pages + "\n"
            "keep copy host_edu copy\n"
            "keep refusals smmuctl devices\n"
            "keep events smmuctl --json status\n"
            "keep free_after " + free_pages + "\n"
            "keep tables host_edu pages $(pidof smmuman)\n"
            "for page in $(cat /results/tables); do echo $page >/sys/devices/system/memory/soft_offline_page; done 2>/results/offline\n"
            "host_edu hold >/results/hold & client=$!\n"
            "until grep -q behind /results/hold; do sleep 0.1; done\n"
            "die $(pidof smmuman); die $client\n"
            "keep free_orphaned " + free_pages + "\n"
            "keep restart " + start + "\n"
            "keep free_restarted " + free_pages + "\n"
            "keep tables_again host_edu pages $(pidof smmuman)\n"
            "keep copy_again host_edu copy\n"
            "keep status_again smmuctl status\n"
            "keep larger sh -c 'kill $(pidof smmuman); while pidof smmuman; do sleep 0.1; done; " + start + " tables 64M'\n"
            "exit 0\n");
    }
};

constexpr const char* all_was_right = "granted: arrived\nnot granted: refused\ngiven back behind the service's back: held\n";

TEST_P(UnitGivenUp, ItStartsAndContains) {
    EXPECT_EQ(status("start"), "0\n") << errors("start");
    EXPECT_THAT(errors("start"), HasSubstr("contained 1 of 1 units"));
    EXPECT_THAT(result("status"), AllOf(HasSubstr("1 of 1 units contained"), HasSubstr("on linux")));
}

TEST_P(UnitGivenUp, ItSaysWhatIsMissing) {
    EXPECT_EQ(status("no_holder"), "3\n");
    EXPECT_THAT(errors("no_holder"), HasSubstr("smmuman-holder does not answer"));
    EXPECT_EQ(status("no_words"), "2\n");
    EXPECT_THAT(errors("no_words"), HasSubstr("smmu vtd"));
}

TEST_P(UnitGivenUp, ASecondServiceIsRefused) {
    EXPECT_EQ(status("second"), "3\n");
    EXPECT_THAT(errors("second"), HasSubstr("another smmuman"));
}

TEST_P(UnitGivenUp, ADeviceReachesWhatItWasGrantedAndNothingElse) {
    EXPECT_EQ(status("copy"), "0\n") << errors("copy");
    EXPECT_EQ(result("copy"), all_was_right);
    EXPECT_THAT(result("refusals"), ContainsRegex("0000:00:03.0 .* U0:0018  " + GetParam().records + " ")) << "of this device";
    EXPECT_THAT(result("events"), HasSubstr("\"address\": 1048576,")) << "the page before what was granted";
    EXPECT_EQ(result("free_before"), result("free_after")) << "the client's pages are free again";
}

TEST_P(UnitGivenUp, TableMemoryCannotBeMoved) {
    const auto lines = [](const std::string& text) { return std::ranges::count(text, '\n'); };
    EXPECT_EQ(lines(result("tables")), 16);
    EXPECT_EQ(lines(result("offline")), 16) << result("offline");
    EXPECT_THAT(result("offline"), HasSubstr("busy"));
}

TEST_P(UnitGivenUp, TheNextServiceFindsTheSameTables) {
    EXPECT_EQ(status("restart"), "0\n") << errors("restart");
    EXPECT_EQ(result("tables_again"), result("tables"));
    EXPECT_EQ(result("copy_again"), all_was_right) << errors("copy_again");
    EXPECT_THAT(result("status_again"), HasSubstr("1 of 1 units contained"));
}

TEST_P(UnitGivenUp, MemoryOfTheDeadIsHeldUntilTheUnitsAreTakenOver) {
    EXPECT_EQ(result("hold"), all_was_right);
    EXPECT_NE(result("free_orphaned"), result("free_before")) << "hardware could still reach it";
    EXPECT_EQ(result("free_restarted"), result("free_before"));
}

TEST_P(UnitGivenUp, TablesOfABootDoNotGrow) {
    EXPECT_EQ(status("larger"), "2\n");
    EXPECT_THAT(errors("larger"), HasSubstr("say `tables 32M`"));
}

INSTANTIATE_TEST_SUITE_P(Machines, UnitGivenUp, machines(), name_of_machine);

const std::string given_up = amd64.given_up;

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
class UnitOfTheKernel : public testing::TestWithParam<std::pair<Machine, std::string>> {};

TEST_P(UnitOfTheKernel, IsLeftAlone) {
    const auto& [machine, words] = GetParam();
    const Guest guest{.architecture = machine.architecture, .words = words + " hugepages=20", .programs = programs};
    Ended ended = guest.run(holder + "keep start " + machine.service() + "\nkeep check smmuman --check\n");
    EXPECT_EQ(ended.results["start.status"], "3\n") << testing::PrintToString(ended);
    EXPECT_THAT(ended.results["start.errors"], AllOf(HasSubstr(machine.kernels), HasSubstr(machine.given_up), Not(HasSubstr("contained 1"))));
    EXPECT_THAT(ended.results["check"], AllOf(HasSubstr(machine.unit), HasSubstr("# not read: ")));
}

INSTANTIATE_TEST_SUITE_P(Machines, UnitOfTheKernel,
                         testing::Values(std::pair(amd64, amd64.kept), std::pair(amd64, "intel_iommu=off"), std::pair(arm64, arm64.kept)),
                         [](const auto& tested) {
                             const bool with_interrupts_only = tested.param.second == "intel_iommu=off";
                             return tested.param.first.architecture + (with_interrupts_only ? "_for_interrupts" : "");
                         });

// No driver of this kernel comes as a module, so the folder in which it would appear is exchanged.
TEST(UnitOfTheKernel, MayComeLater) {
    Ended ended = Guest{.words = given_up + " hugepages=20", .programs = programs}.run(
        holder + "mkdir -p /tmp/iommu/dmar0/intel-iommu; echo fed90000 >/tmp/iommu/dmar0/intel-iommu/address\n"
                 "smmuman foreground smmu vtd 2>/results/service & service=$!\n"
                 "until grep -q contained /results/service; do sleep 0.1; done\n"
                 "mount -o bind /tmp/iommu /sys/class/iommu\n"
                 "wait $service; echo $? >/results/status\n"
                 "exit 0\n");
    EXPECT_EQ(ended.results["status"], "4\n") << testing::PrintToString(ended);
    EXPECT_THAT(ended.results["service"], AllOf(HasSubstr("contained 1 of 1"), HasSubstr("a driver of the kernel came"), HasSubstr("(dmar0)")));
}

}  // namespace
}  // namespace smmu::test

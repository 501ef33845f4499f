// SPDX-License-Identifier: Apache-2.0
// What user space finds on a stock kernel of a machine with an IOMMU, with the unit taken from Linux and with Linux keeping it;
// and that a guest that goes wrong is noticed. One guest of a machine serves several tests.
#include <gmock/gmock.h>

#include <map>

#include "tests/linux/machine.hpp"

namespace smmu::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

Ended boot(const Machine& machine, const std::string& words, const std::string& further) {
    const Guest guest{.architecture = machine.architecture, .words = words, .programs = {"guest_probe", "smmuctl", "smmuman"}};
    return guest.run("keep identity guest_probe register " + machine.registers +
                     "\n"
                     "keep no_page guest_probe hugepage\n"
                     "echo 2 >/proc/sys/vm/nr_hugepages\n"
                     "keep page guest_probe hugepage\n"
                     "mkdir /tmp/tables\n"
                     "[ ! -e /sys/firmware/fdt ] || ln -s /sys/firmware/fdt /tmp/tables/machine.dtb\n"
                     "[ ! -e /sys/firmware/acpi/tables/DMAR ] || ln -s /sys/firmware/acpi/tables/DMAR /tmp/tables/DMAR\n"
                     "keep tables smmuctl tables\n"
                     "keep folder smmuctl tables /tmp/tables\n"
                     "keep json smmuctl --json tables\n"
                     "keep help smmuman --help\n" +
                     further);
}

class UnitGivenAway : public testing::TestWithParam<Machine> {
protected:
    static Ended& ended() {
        static std::map<std::string, Ended> of_machines;
        const Machine& machine = GetParam();
        if (!of_machines.contains(machine.architecture))
            of_machines.emplace(machine.architecture, boot(machine, machine.given_up, "mkdir /results/a; echo b >/results/a/b; exit 7"));
        return of_machines.at(machine.architecture);
    }
    static std::string result(const std::string& name) { return ended().results[name]; }
};

TEST_P(UnitGivenAway, TheStatusOfTheScriptComesBack) {
    EXPECT_EQ(ended().status, 7) << testing::PrintToString(ended());
    EXPECT_THAT(ended().said, IsEmpty());
}

TEST_P(UnitGivenAway, FilesInFoldersComeBack) { EXPECT_EQ(result("a/b"), "b\n"); }

// VT-d's version, SMMU_IDR0.
TEST_P(UnitGivenAway, ItsRegistersCanBeReached) {
    EXPECT_THAT(result("identity"), MatchesRegex("00000010\n|0d[0-9a-f]+\n")) << result("identity.errors");
}

TEST_P(UnitGivenAway, AHugePageHasAPhysicalAddressOnceThereAreAny) {
    EXPECT_THAT(result("no_page.errors"), HasSubstr("Cannot allocate memory"));
    ASSERT_THAT(result("page"), MatchesRegex("[0-9a-f]+\n")) << result("page.errors");
    const auto address = std::stoull(result("page"), nullptr, 16);
    EXPECT_NE(address, 0u) << "the page map hides addresses from those who may not see them";
    EXPECT_EQ(address % (2u << 20), 0u);
}

TEST_P(UnitGivenAway, SmmuctlReadsWhatFirmwareSays) {
    for (const std::string said : {"tables", "folder", "json"}) {
        EXPECT_EQ(result(said + ".status"), "0\n") << result(said + ".errors");
        EXPECT_THAT(result(said), HasSubstr(GetParam().unit));
    }
    // ACPI of this PC names its devices, the device tree says which requesters there can be.
    EXPECT_THAT(result("tables"), HasSubstr(GetParam().architecture == "amd64" ? "0000:00:03.0" : "0000:0000-ffff"));
}

TEST_P(UnitGivenAway, TheServiceRuns) {
    EXPECT_EQ(result("help.status"), "0\n") << result("help.errors");
    EXPECT_THAT(result("help"), HasSubstr("smmuman"));
}

INSTANTIATE_TEST_SUITE_P(Machines, UnitGivenAway, machines(), name_of_machine);

class UnitKeptByLinux : public testing::TestWithParam<Machine> {};

TEST_P(UnitKeptByLinux, ItsRegistersAreRefused) {
    Ended ended = boot(GetParam(), GetParam().kept, "");
    EXPECT_EQ(ended.status, 0) << testing::PrintToString(ended);
    EXPECT_THAT(ended.results["identity"], IsEmpty());
    EXPECT_THAT(ended.results["identity.errors"], HasSubstr("Operation not permitted"));
    EXPECT_THAT(ended.results["folder"], HasSubstr(GetParam().unit)) << "only the registers are kept";
}

INSTANTIATE_TEST_SUITE_P(Machines, UnitKeptByLinux, machines(), name_of_machine);

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

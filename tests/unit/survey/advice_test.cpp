// SPDX-License-Identifier: Apache-2.0
// What a check prints can be pasted: read back, it says of every device what was found.
#include "survey/advice.hpp"

#include "machine.hpp"

namespace smmu::test {
namespace {

topology::Topology survey_with(const Machine& machine, const config::Configuration& configuration) {
    const auto bytes = DmarBytes(machine.dmar).table();
    std::vector<survey::Table> tables;
    if (machine.has_dmar) tables.push_back({"DMAR", bytes});
    return survey::survey({tables, machine.pci, configuration, machine.ram, {}, {}, {}});
}

// Surveys twice, the second time with what the first came to; the text between.
std::string pasted_back(const Machine& machine, const std::string& words) {
    const config::Configuration first = read(words);
    const topology::Topology found = survey_with(machine, first);
    std::string text = survey::paste_ready(found, first);
    const topology::Topology again = survey_with(machine, read(text));
    for (const topology::Device& device : found.devices)
        if (!device.is_bridge) {
            EXPECT_EQ(streams_of(again, device.id), streams_of(found, device.id)) << text;
        }
    EXPECT_EQ(int(survey::verdict(again)), int(survey::verdict(found)));
    return text;
}

Machine two_units() {
    Machine machine;
    machine.add({0, 0, 2, 0});
    machine.add({0, 0, 3, 0});
    machine.add_bridge({0, 0, 4, 0}, PcieType::root_port, 1, 1);
    machine.add({0, 1, 0, 0});
    machine.dmar.drhd(0xfed90000, false, {{1, 0, {{2, 0}}}}).drhd(0xfed91000, true, {});
    machine.dmar.rmrr(0x9000'0000, 0x9000'ffff, {{1, 0, {{2, 0}}}});
    return machine;
}

TEST(Advice, WhatFirmwareSaysCanBePasted) {
    const std::string text = pasted_back(two_units(), "smmu vtd");
    EXPECT_NE(text.find("device 0000:00:02.0 use vtd@fed90000 reserved 0x90000000,64K,rw"), std::string::npos) << text;
    EXPECT_NE(text.find("device 0000:01:00.0 use vtd@fed91000"), std::string::npos) << text;
}

TEST(Advice, NoLineIsAdvisedForProtectedMemory) {
    Machine machine = two_units();
    machine.dmar.rmrr(0xfed90000, 0xfed90fff, {{1, 0, {{3, 0}}}}).rmrr(0x1000, 0x1fff, {{1, 0, {{3, 0}}}});
    const std::string text = pasted_back(machine, "smmu vtd");
    EXPECT_NE(text.find("stays blocked unless this is added to its line: reserved 0x1000,4K,rw"), std::string::npos) << text;
    EXPECT_EQ(text.find("added to its line: reserved 0xfed90000"), std::string::npos) << text;
    EXPECT_NE(text.find("0xfed90000,4K,rw (DMAR+0x"), std::string::npos) << text;
}

TEST(Advice, WhatWasSaidByHandCanBePasted) {
    const std::string text = pasted_back(
        two_units(), "smmu vtd ignore\nunit dmar0 fed90000\ndevice 0000:00:02.0 use dmar0 blocked\ndevice 0000:00:03.0 use dmar0\n");
    EXPECT_NE(text.find("smmu vtd ignore\n"), std::string::npos) << text;
    EXPECT_NE(text.find("unit dmar0 0xfed90000\n"), std::string::npos) << text;
    EXPECT_NE(text.find("device 0000:00:02.0 use dmar0 blocked"), std::string::npos) << text;
}

TEST(Advice, KindsThatAreNotDrivenAreComments) {
    const config::Configuration said =
        read("smmu riscv\nunit s0 5000000\ndevice mem:e6ef0000,4K use s0 3\nsmmu vtd\n");
    const std::string text = survey::paste_ready(survey_with(two_units(), said), said);
    read(text);
    EXPECT_NE(text.find("# mem:0xe6ef0000,0x1000 is behind a unit that this build does not drive"), std::string::npos) << text;
    EXPECT_EQ(text.find("unit s0"), std::string::npos) << text;
}

TEST(Advice, TheWorstFindingIsTheVerdict) {
    Machine machine = two_units();
    EXPECT_EQ(survey::verdict(survey_with(machine, read("smmu vtd"))), survey::Verdict::clean);
    machine.has_dmar = false;
    const topology::Topology bare = survey_with(machine, read("smmu vtd require"));
    EXPECT_EQ(survey::verdict(bare), survey::Verdict::errors);
    EXPECT_EQ(survey::findings_text(bare).find("# error "), 0u) << "errors come first";
}

}  // namespace
}  // namespace smmu::test

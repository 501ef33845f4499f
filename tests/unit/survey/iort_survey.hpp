// SPDX-License-Identifier: Apache-2.0
// IortSurvey: surveys of a machine with a PCI tree, an IORT and an MADT made by hand.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "config/parse.hpp"
#include "survey/survey.hpp"
#include "tests/unit/firmware/iort_bytes.hpp"
#include "tests/unit/firmware/madt_bytes.hpp"

namespace smmu::test {

using topology::PciAddress;

class IortSurvey : public testing::Test {
protected:
    topology::PciFunction& add(PciAddress address) {
        topology::PciFunction function;
        function.address = address;
        function.class_code = 0x00ff00;
        function.type = topology::PcieType::endpoint;
        tree.functions.push_back(function);
        return tree.functions.back();
    }
    topology::Topology survey(const std::string& words = "smmu armsmmuv3") {
        tree.gated = true;
        const std::vector<std::string> arguments{words};
        const auto no_files = [](const std::string&) -> Result<std::string> { return fail(ENOENT, "no file"); };
        parsed = config::parse(arguments, no_files, config::Edition::plain);
        EXPECT_TRUE(parsed.errors.empty());
        iort_bytes = iort.table();
        madt_bytes = madt.table();
        const survey::Input input{.tables = {{"IORT", iort_bytes}, {"APIC", madt_bytes}},
                                  .pci = tree,
                                  .configuration = parsed.configuration,
                                  .ram = {{PhysAddr{0x40000000}, PhysAddr{0x4fffffff}}},
                                  .table_memory = {},
                                  .register_windows = {},
                                  .silent_units = {}};
        return survey::survey(input);
    }
    static bool has(const topology::Topology& topology, std::string_view id) {
        return std::ranges::find(topology.findings, id, &topology::Finding::id) != topology.findings.end();
    }
    static bool is_protected(const topology::Topology& topology, std::uint64_t address) {
        return std::ranges::any_of(topology.protected_memory,
                                   [&](const topology::Protected& part) { return part.range.contains(PhysAddr{address}); });
    }

    IortBytes iort;
    MadtBytes madt;
    topology::PciTree tree;
    config::ParseResult parsed;
    std::vector<std::byte> iort_bytes, madt_bytes;
};

}  // namespace smmu::test

// SPDX-License-Identifier: Apache-2.0
// Tables of real machines and emulators decode to the counts that an independent walker found.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "firmware/dmar.hpp"
#include "firmware/mcfg.hpp"
#include "test_data.hpp"

namespace smmu::firmware {
namespace {

using Counts = std::map<std::string, unsigned long>;

// The numbers of the line "# counts: {"name": n, ..., "segments": [a, b]}", lists as their values
// joined.
struct Expected {
    Counts counts;
    std::set<unsigned> segments;
};

Expected expected_of(std::filesystem::path path) {
    const std::string text = test::text_of(path.replace_extension("expected.txt"));
    const auto start = text.find("# counts: {");
    EXPECT_NE(start, std::string::npos) << path;
    const std::string line = text.substr(start, text.find('\n', start) - start);
    Expected expected;
    for (std::size_t at = line.find('"'); at != std::string::npos; at = line.find('"', at)) {
        const auto end = line.find('"', at + 1);
        const std::string name = line.substr(at + 1, end - at - 1);
        std::size_t value = end + 3;
        if (line[value] == '[') {
            for (++value; line[value - 1] != ']';) {
                std::size_t used = 0;
                expected.segments.insert(unsigned(std::stoul(line.substr(value), &used)));
                value += used + (line[value + used] == ',' ? 2 : 1);
            }
        } else {
            expected.counts[name] = std::stoul(line.substr(value));
        }
        at = value;
    }
    return expected;
}

void count_scopes(Counts& counts, const std::vector<DeviceScope>& scopes) {
    constexpr const char* names[] = {"",           "scope_endpoint", "scope_bridge", "scope_ioapic",
                                     "scope_hpet", "scope_namespace"};
    for (const DeviceScope& scope : scopes) {
        ++counts["scopes"];
        ++counts[names[unsigned(scope.type)]];
        counts["max_path"] = std::max<unsigned long>(counts["max_path"], scope.path.size());
    }
}

void count_lists(Counts& counts, const char* name, const std::vector<AtsList>& lists) {
    for (const AtsList& list : lists) {
        ++counts[name];
        count_scopes(counts, list.scopes);
    }
}

TEST(RealTables, DmarCounts) {
    const auto paths = test::tables_of("DMAR");
    ASSERT_EQ(paths.size(), 11u);
    for (const auto& path : paths) {
        SCOPED_TRACE(path.filename().string());
        const auto bytes = test::bytes_of(path);
        const auto dmar = parse_dmar(bytes);
        ASSERT_TRUE(dmar) << dmar.error().text;
        Counts counts;
        std::set<unsigned> segments;
        counts["host_addr_width"] = dmar->host_address_width;
        counts["flags"] = (dmar->interrupt_remapping ? 1u : 0u) | (dmar->x2apic_opt_out ? 2u : 0u) |
                          (dmar->keep_dma_protected ? 4u : 0u);
        for (const Drhd& unit : dmar->units) {
            ++counts["iommus"];
            counts["include_all"] += unit.include_all;
            counts["drhd_size_field"] += unit.size_given;
            segments.insert(unit.segment);
            count_scopes(counts, unit.scopes);
        }
        for (const Rmrr& region : dmar->reserved) {
            ++counts["rmrr"];
            segments.insert(region.segment);
            count_scopes(counts, region.scopes);
        }
        count_lists(counts, "atsr", dmar->root_ports);
        count_lists(counts, "satc", dmar->chip_devices);
        count_lists(counts, "sidp", dmar->properties);
        counts["rhsa"] = dmar->proximity.size();
        counts["andd"] = dmar->names.size();
        // A base of zero is a unit that is not there: counted in the file, not by us.
        for (const auto& finding : dmar->findings) {
            EXPECT_EQ(finding.id, "dmar-drhd-base-zero") << finding.text;
            ++counts["iommus"];
        }
        const Expected expected = expected_of(path);
        for (const auto& [name, value] : expected.counts) {
            // The dropped unit of that file is the one that takes the rest of the segment.
            const bool dropped = !dmar->findings.empty() && name == "include_all";
            EXPECT_EQ(counts[name] + (dropped ? 1u : 0u), value) << name;
        }
        for (const auto& [name, value] : counts)
            EXPECT_TRUE(value == 0 || expected.counts.contains(name)) << name << " " << value;
        EXPECT_EQ(segments, expected.segments);
    }
}

TEST(RealTables, McfgCounts) {
    const auto paths = test::tables_of("MCFG");
    ASSERT_EQ(paths.size(), 7u);
    for (const auto& path : paths) {
        SCOPED_TRACE(path.filename().string());
        const auto bytes = test::bytes_of(path);
        const auto mcfg = parse_mcfg(bytes);
        ASSERT_TRUE(mcfg) << mcfg.error().text;
        EXPECT_TRUE(mcfg->findings.empty());
        Expected expected = expected_of(path);
        EXPECT_EQ(mcfg->windows.size(), expected.counts["ecam"]);
        std::set<unsigned> segments;
        for (const ConfigWindow& window : mcfg->windows) segments.insert(window.segment);
        EXPECT_EQ(segments, expected.segments);
    }
}

TEST(RealTables, FieldsOfOneTable) {
    const auto bytes = test::bytes_of(test::data_folder() / "acpi/linuxhw-samsung-960qha.DMAR.bin");
    const auto dmar = parse_dmar(bytes);
    ASSERT_TRUE(dmar);
    for (const Drhd& unit : dmar->units) EXPECT_EQ(unit.registers.length(), 0x10000u);
    EXPECT_EQ(dmar->units.front().origin.text, "DMAR+0x30");
    EXPECT_TRUE(dmar->units.back().include_all);

    const auto go = test::bytes_of(test::data_folder() / "acpi/surface-surface-go-1.DMAR.bin");
    const auto names = parse_dmar(go);
    ASSERT_TRUE(names);
    for (const Andd& name : names->names) EXPECT_TRUE(name.path.starts_with("\\_SB.")) << name.path;
}

TEST(RealTables, WindowBeginsAtItsFirstBus) {
    const auto bytes = test::bytes_of(test::data_folder() / "acpi/synth-a.MCFG.bin");
    const auto mcfg = parse_mcfg(bytes);
    ASSERT_TRUE(mcfg);
    EXPECT_EQ(mcfg->windows[2].base, PhysAddr{0x420000000});
    EXPECT_EQ(mcfg->windows[2].range(), (PhysRange{PhysAddr{0x424000000}, PhysAddr{0x42fffffff}}));
}

}  // namespace
}  // namespace smmu::firmware

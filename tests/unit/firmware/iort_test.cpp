// SPDX-License-Identifier: Apache-2.0
// IORTs of real machines and emulators decode to the counts that an independent walker found; damaged ones end as their
// index says.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "counts.hpp"
#include "firmware/iort.hpp"
#include "test_data.hpp"

namespace smmu::firmware {
namespace {

std::map<std::string, unsigned long> counts_of(const Iort& iort) {
    constexpr const char* names[] = {"its", "named", "root_complex", "smmuv12", "smmuv3", "pmcg", "rmr"};
    std::map<std::string, unsigned long> counts{{"nodes", iort.nodes.size()}, {"iommus", 0}, {"streams", 0}};
    for (const IortNode& node : iort.nodes) {
        ++counts[names[unsigned(node.kind)]];
        counts["iommus"] += node.kind == IortKind::smmu_v1_v2 || node.kind == IortKind::smmu_v3;
        counts["streams"] += node.mappings.size();
        counts["reserved"] += node.reserved.size();
        for (const IdMapping& mapping : node.mappings) counts["single"] += mapping.single;
    }
    return counts;
}

bool has(const Iort& iort, std::string_view id) {
    return std::ranges::find(iort.findings, id, &topology::Finding::id) != iort.findings.end();
}

TEST(Iort, RealTablesHaveTheirCounts) {
    const auto paths = test::tables_of("IORT");
    ASSERT_EQ(paths.size(), 10u);
    for (const auto& path : paths) {
        SCOPED_TRACE(path.filename().string());
        const auto iort = parse_iort(test::bytes_of(path));
        ASSERT_TRUE(iort) << iort.error().text;
        auto counts = counts_of(*iort);
        for (const auto& [name, value] : test::expected_counts(path))
            EXPECT_EQ(counts[name], value) << name;
        const bool wrong_sum = path.filename().string().find("romulus") != std::string::npos;
        EXPECT_EQ(has(*iort, "iort-sum-wrong"), wrong_sum);
        // Emulators with several host bridges write ranges that begin at 0 for each of them.
        const bool overlaps = path.filename().string().find("-pxb-") != std::string::npos ||
                              path.filename().string().find("-two-") != std::string::npos;
        EXPECT_EQ(has(*iort, "iort-mapping-overlap"), overlaps);
        EXPECT_EQ(has(*iort, "iort-smmu-span-odd"), path.filename().string().find("c630") != std::string::npos);
        const std::set<std::string> known{"iort-sum-wrong", "iort-mapping-overlap", "iort-smmu-span-odd"};
        for (const topology::Finding& finding : iort->findings) EXPECT_TRUE(known.contains(finding.id)) << finding.text;
    }
}

TEST(Iort, RequesterIdsBecomeStreams) {
    const auto one = parse_iort(test::bytes_of(test::data_folder() / "acpi/qemu10-virt-its-off.IORT.bin"));
    ASSERT_TRUE(one);
    const auto streams = one->streams_of(0, StreamId{0x0018});
    ASSERT_EQ(streams.size(), 1u);
    EXPECT_EQ(raw(streams[0].id), 0x18u);
    EXPECT_EQ(one->nodes[streams[0].smmu].base, PhysAddr{0x9050000});
    EXPECT_TRUE(one->streams_of(1, StreamId{0x18}).empty());
    EXPECT_TRUE(one->streams_of(0, StreamId{0x118}).empty()) << "the table names bus 0 only";

    const auto none = parse_iort(test::bytes_of(test::data_folder() / "acpi/qemu10-virt-its.IORT.bin"));
    ASSERT_TRUE(none);
    EXPECT_TRUE(none->streams_of(0, StreamId{0x18}).empty());
}

// What contradicts itself is never taken for less than it may be.
TEST(Iort, ContradictingMappingsGiveBothStreamsOrNone) {
    const auto two = parse_iort(test::bytes_of(test::data_folder() / "acpi/qemu11-virt-two-smmuv3-dev.IORT.bin"));
    ASSERT_TRUE(two);
    const auto both = two->streams_of(0, StreamId{0x18});
    ASSERT_EQ(both.size(), 2u);
    EXPECT_NE(both[0].smmu, both[1].smmu);
    EXPECT_EQ(two->streams_of(0, StreamId{0x2008}).size(), 1u);

    const auto around = parse_iort(test::bytes_of(test::data_folder() / "acpi/qemu11-virt-smmuv3-pxb-bypass.IORT.bin"));
    ASSERT_TRUE(around);
    EXPECT_FALSE(around->streams_of(0, StreamId{0x18}).empty());
    EXPECT_TRUE(around->streams_of(0, StreamId{0x4008}).empty());
}

const std::map<std::string, std::string> said{
    {"iort-len-past-file.bin", "the header says"},
    {"iort-truncated-len-fixed.bin", "iort-node-cut"},
    {"iort-header-only.bin", "ends before its first node"},
    {"iort-count-ffffffff.bin", "iort-count-wrong"},
    {"iort-array-past-end.bin", "outside the table"},
    {"iort-node-len0.bin", "iort-node-cut"},
    {"iort-map-count-huge.bin", "iort-mappings-cut"},
    {"iort-self-cycle.bin", "iort-mapping-bad"},
    {"iort-cycle-two.bin", "iort-mapping-bad"},
    {"iort-ref-header.bin", "iort-mapping-bad"},
    {"iort-id-wrap.bin", "iort-mapping-bad"},
    {"iort-its-count-huge.bin", "iort-its-count-bad"},
    {"iort-rmr-unaligned.bin", "iort-rmr-bad"},
    {"iort-ctx-count-huge.bin", "iort-interrupts-bad"},
    {"iort-name-unterminated.bin", "iort-name-bad"},
    {"iort-map-overlap.bin", "iort-mapping-overlap"},
};

TEST(Iort, DamagedTablesEndAsTheIndexSays) {
    const auto expected = test::expectations("malformed/IORT.tsv");
    EXPECT_EQ(expected.size(), said.size());
    for (const auto& [file, expectation] : expected) {
        SCOPED_TRACE(file);
        ASSERT_TRUE(said.contains(file));
        const auto iort = parse_iort(test::bytes_of(test::data_folder() / "malformed" / file));
        if (expectation == "reject") {
            ASSERT_FALSE(iort);
            EXPECT_NE(iort.error().text.find(said.at(file)), std::string::npos) << iort.error().text;
        } else {
            ASSERT_TRUE(iort) << iort.error().text;
            EXPECT_TRUE(has(*iort, said.at(file)));
        }
    }
}

TEST(Iort, EveryChangedByteAndEveryPrefixEnds) {
    test::read_every_damage(test::bytes_of(test::data_folder() / "acpi/synth-a.IORT.bin"), 48,
                            [](const std::vector<std::byte>& bytes) { return parse_iort(bytes).has_value(); });
}

}  // namespace
}  // namespace smmu::firmware

// SPDX-License-Identifier: Apache-2.0
// Damaged tables end as the index says, and every prefix and every changed byte of a sound one ends
// somehow.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "firmware/dmar.hpp"
#include "firmware/mcfg.hpp"
#include "firmware/record_walker.hpp"
#include "test_data.hpp"

namespace smmu::firmware {
namespace {

using topology::Finding;

struct Outcome {
    bool refused = false;
    std::string error;
    std::vector<Finding> findings;
    std::size_t units = 0, scopes = 0, reserved = 0, windows = 0;

    bool has(std::string_view id) const {
        return std::ranges::find(findings, id, &Finding::id) != findings.end();
    }
};

Outcome read_table(const std::string& file, std::span<const std::byte> bytes) {
    Outcome outcome;
    if (file.starts_with("dmar")) {
        const auto dmar = parse_dmar(bytes);
        if (!dmar) return {true, dmar.error().text, {}};
        outcome.findings = dmar->findings;
        outcome.units = dmar->units.size();
        outcome.reserved = dmar->reserved.size();
        for (const Drhd& unit : dmar->units) outcome.scopes += unit.scopes.size();
    } else {
        const auto mcfg = parse_mcfg(bytes);
        if (!mcfg) return {true, mcfg.error().text, {}};
        outcome.findings = mcfg->findings;
        outcome.windows = mcfg->windows.size();
    }
    return outcome;
}

Outcome read_file(const std::string& file) {
    const auto bytes = test::bytes_of(test::data_folder() / "malformed" / file);
    return read_table(file, bytes);
}

// What each damaged file must say: the text of the refusal or the id of the finding.
const std::map<std::string, std::string> said{
    {"dmar-len-past-file.bin", "the header says"},
    {"dmar-truncated-len-kept.bin", "the header says"},
    {"mcfg-truncated-len-kept.bin", "the header says"},
    {"dmar-csum.bin", "sum to 0x01 and not to 0"},
    {"dmar-eight-bytes.bin", "8 bytes are too few"},
    {"dmar-sig-lower.bin", "signature"},
    {"dmar-drhd-len0.bin", "shorter than its own header"},
    {"dmar-drhd-len8.bin", "dmar-structure-short"},
    {"dmar-scope-len0.bin", "dmar-scope-cut"},
    {"dmar-scope-len6.bin", "dmar-scope-no-path"},
    {"dmar-scope-past-drhd.bin", "dmar-scope-cut"},
    {"dmar-scope-type-ee.bin", "dmar-scope-unknown"},
    {"dmar-rmrr-inverted.bin", "dmar-rmrr-inverted"},
    {"dmar-drhd-base-twice.bin", "dmar-drhd-base-twice"},
    {"dmar-drhd-base-ffff.bin", "dmar-drhd-base-bad"},
    {"dmar-many-drhd.bin", "dmar-too-many-units"},
    {"dmar-namespace-no-andd.bin", "dmar-namespace-no-andd"},
    {"mcfg-ragged.bin", "mcfg-ragged"},
    {"mcfg-overlap.bin", "mcfg-overlap"},
};

TEST(Malformed, EndAsTheIndexSays) {
    const auto expected = test::expectations("malformed/INDEX.tsv");
    EXPECT_EQ(expected.size(), said.size());
    for (const auto& [file, expectation] : expected) {
        SCOPED_TRACE(file);
        ASSERT_TRUE(said.contains(file));
        const Outcome outcome = read_file(file);
        if (expectation == "reject") {
            EXPECT_TRUE(outcome.refused);
            EXPECT_NE(outcome.error.find(said.at(file)), std::string::npos) << outcome.error;
        } else {
            EXPECT_FALSE(outcome.refused) << outcome.error;
            EXPECT_TRUE(outcome.has(said.at(file)));
        }
    }
}

TEST(Malformed, KeepWhatIsSound) {
    const Outcome sound = read_table(
        "dmar", test::bytes_of(test::data_folder() / "acpi/linuxhw-depo-super-server.DMAR.bin"));
    EXPECT_EQ(read_file("dmar-rmrr-inverted.bin").reserved, sound.reserved - 1);
    EXPECT_EQ(read_file("dmar-rmrr-inverted.bin").units, sound.units);
    EXPECT_EQ(read_file("dmar-scope-type-ee.bin").scopes, sound.scopes - 1);
    EXPECT_EQ(read_file("dmar-drhd-base-ffff.bin").units, sound.units - 1);
    EXPECT_EQ(read_file("dmar-drhd-base-twice.bin").units, sound.units - 1);
    EXPECT_EQ(read_file("dmar-drhd-base-twice.bin").scopes, sound.scopes);
    EXPECT_EQ(read_file("dmar-many-drhd.bin").units, most_dmar_units);
    EXPECT_EQ(read_file("mcfg-ragged.bin").windows, 3u);
}

TEST(Malformed, EveryChangedByteAndEveryPrefixEnds) {
    test::read_every_damage(test::bytes_of(test::data_folder() / "acpi/synth-a.DMAR.bin"), 48,
                            [](const std::vector<std::byte>& bytes) { return parse_dmar(bytes).has_value(); });
}

TEST(Malformed, TableLengthBelowItsHeader) {
    auto bytes = test::bytes_of(test::data_folder() / "acpi/synth-a.MCFG.bin");
    bytes[4] = std::byte{20};
    const auto mcfg = parse_mcfg(bytes);
    ASSERT_FALSE(mcfg);
    EXPECT_EQ(mcfg.error().code, EINVAL);
}

TEST(Malformed, McfgEntryFaults) {
    const auto sound = test::bytes_of(test::data_folder() / "acpi/synth-a.MCFG.bin");
    const auto with = [&](std::size_t offset, unsigned value) {
        auto bytes = sound;
        bytes[offset] = std::byte(value);
        test::fix_checksum(bytes);
        return read_table("mcfg", bytes);
    };
    EXPECT_TRUE(with(44 + 10, 0xff).findings.empty());            // 255 to 255
    EXPECT_TRUE(with(44 + 16 + 10, 0x40).has("mcfg-entry-bad"));  // 0x40 to 0x3f
    EXPECT_TRUE(with(44, 1).has("mcfg-entry-bad"));               // base not at a megabyte
    auto top = sound;
    for (std::size_t i = 44; i < 52; ++i) top[i] = std::byte{0xff};
    top[44] = top[45] = std::byte{0};
    top[46] = std::byte{0xf0};
    test::fix_checksum(top);
    EXPECT_TRUE(read_table("mcfg", top).has("mcfg-entry-bad"));
    EXPECT_EQ(read_table("mcfg", top).windows, 2u);
}

TEST(DmarStructures, UnknownTypesAreSkippedByLength) {
    auto bytes = test::bytes_of(test::data_folder() / "acpi/linuxhw-depo-super-server.DMAR.bin");
    const auto before = parse_dmar(bytes);
    ASSERT_TRUE(before);
    bytes[48] = std::byte{0x77};
    test::fix_checksum(bytes);
    const auto after = parse_dmar(bytes);
    ASSERT_TRUE(after);
    EXPECT_EQ(after->units.size(), before->units.size() - 1);
    ASSERT_EQ(after->findings.size(), 1u);
    EXPECT_EQ(after->findings[0].id, "dmar-structure-unknown");
    EXPECT_EQ(after->findings[0].origin.text, "DMAR+0x30");
}

TEST(DmarStructures, ImpossiblePathIsDropped) {
    auto bytes = test::bytes_of(test::data_folder() / "acpi/linuxhw-depo-super-server.DMAR.bin");
    bytes[48 + 16 + 6] = std::byte{32};
    test::fix_checksum(bytes);
    const auto dmar = parse_dmar(bytes);
    ASSERT_TRUE(dmar);
    ASSERT_EQ(dmar->findings.size(), 1u);
    EXPECT_EQ(dmar->findings[0].id, "dmar-scope-path-bad");
}

TEST(RecordWalker, SaysWhatEndedIt) {
    const auto walk = [](std::vector<std::byte> bytes) {
        RecordWalker walker(ByteReader(bytes), 100, scope_shape);
        std::size_t records = 0;
        while (walker.next()) ++records;
        EXPECT_FALSE(walker.next());
        return std::tuple(records, walker.fault(), walker.position());
    };
    const std::byte one{1}, two{2}, three{3}, zero{0};
    EXPECT_EQ(walk({}), std::tuple(0u, WalkFault::none, 100u));
    EXPECT_EQ(walk({one, two, one, three, zero}), std::tuple(2u, WalkFault::none, 105u));
    EXPECT_EQ(walk({one, two, one}), std::tuple(1u, WalkFault::header_cut, 102u));
    EXPECT_EQ(walk({one, zero}), std::tuple(0u, WalkFault::length_too_small, 100u));
    EXPECT_EQ(walk({one, one}), std::tuple(0u, WalkFault::length_too_small, 100u));
    EXPECT_EQ(walk({one, three}), std::tuple(0u, WalkFault::past_end, 100u));
    for (const WalkFault fault :
         {WalkFault::none, WalkFault::header_cut, WalkFault::length_too_small, WalkFault::past_end})
        EXPECT_FALSE(describe(fault).empty());
}

}  // namespace
}  // namespace smmu::firmware

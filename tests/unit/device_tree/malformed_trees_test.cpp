// SPDX-License-Identifier: Apache-2.0
// Damaged device trees end as the index says, and every changed byte and every prefix of a sound one ends somehow.
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "firmware/flat_tree.hpp"
#include "trees.hpp"

namespace smmu::firmware {
namespace {

using test::has_finding;
using test::tree_of;

// What each must say: the text of the refusal or the id of the finding; nothing for faults in what is not read.
const std::map<std::string, std::string> said{
    {"dtb-half.dtb", "it says"},
    {"dtb-totalsize-huge.dtb", "header"},
    {"dtb-struct-off-out.dtb", "header"},
    {"dtb-struct-unaligned.dtb", "wrong"},
    {"dtb-magic.dtb", "header"},
    {"dtb-header-only.dtb", "it says"},
    {"dtb-prop-len-huge.dtb", "structure"},
    {"dtb-nameoff-out.dtb", "structure"},
    {"dtb-no-end.dtb", "structure"},
    {"dtb-extra-end-node.dtb", "structure"},
    {"dtb-phandle-none.dtb", "dtb-iommus-bad"},
    {"dtb-iommus-not-iommu.dtb", "dtb-iommus-bad"},
    {"dtb-iommus-3bytes.dtb", "dtb-iommus-bad"},
    {"dtb-map-3cells.dtb", "dtb-map-bad"},
    {"dtb-map-len-ffffffff.dtb", "dtb-map-wraps"},
    {"dtb-map-zero-len.dtb", "dtb-map-empty"},
    {"dtb-iommu-self.dtb", "dtb-unit-own-master"},
    {"dtb-intr-cycle.dtb", ""},
    {"dtb-cells-ffffffff.dtb", "dtb-unit-cells-bad"},
    {"dtb-phandle-twice.dtb", "dtb-phandle-twice"},
    {"dtb-addresses-short.dtb", "dtb-iommu-addresses-bad"},
    {"dtb-address-cells-9.dtb", "dtb-registers-bad"},
    {"dtb-status-unterminated.dtb", "dtb-text-unterminated"},
    {"dtb-wide.dtb", ""},
};

std::vector<std::byte> damaged(const std::string& file) {
    return test::bytes_of(test::data_folder() / "dtb/malformed" / file);
}

TEST(MalformedTrees, EndAsTheIndexSays) {
    const auto expected = test::expectations("dtb/malformed/INDEX.tsv");
    EXPECT_EQ(expected.size(), said.size());
    for (const auto& [file, expectation] : expected) {
        SCOPED_TRACE(file);
        ASSERT_TRUE(said.contains(file));
        const auto bytes = damaged(file);
        const auto tree = parse_device_tree(bytes);
        if (expectation == "reject") {
            ASSERT_FALSE(tree);
            EXPECT_EQ(tree.error().code, EINVAL);
            EXPECT_NE(tree.error().text.find(said.at(file)), std::string::npos) << tree.error().text;
        } else {
            ASSERT_TRUE(tree) << tree.error().text;
            EXPECT_EQ(tree->findings.empty(), said.at(file).empty());
            EXPECT_TRUE(said.at(file).empty() || has_finding(*tree, said.at(file)));
        }
    }
}

TEST(MalformedTrees, KeepWhatIsSound) {
    const auto streams = [](const std::string& file) {
        std::size_t count = 0;
        for (const TreeMaster& master : tree_of("malformed/" + file).masters) count += master.streams.size();
        return count;
    };
    EXPECT_EQ(streams("dtb-map-3cells.dtb"), 3u);         // the sound masters of these trees
    EXPECT_EQ(streams("dtb-phandle-none.dtb"), 2u);       // the other master
    EXPECT_EQ(streams("dtb-iommus-3bytes.dtb"), 1u);      // the other master
    EXPECT_EQ(streams("dtb-iommu-self.dtb"), 3u);         // what does not name itself
    EXPECT_EQ(streams("dtb-phandle-twice.dtb"), 0u);      // no guess which of the two units is meant
    EXPECT_EQ(streams("dtb-wide.dtb"), 12003u);
    EXPECT_EQ(tree_of("malformed/dtb-wide.dtb").masters.size(), 3002u);
    EXPECT_TRUE(tree_of("malformed/dtb-map-len-ffffffff.dtb").hosts.at(0).maps.empty());
    EXPECT_TRUE(tree_of("malformed/dtb-status-unterminated.dtb").units.at(0).enabled);
    EXPECT_EQ(tree_of("malformed/dtb-status-unterminated.dtb").units.size(), 2u);
    const DeviceTree no_cells = tree_of("malformed/dtb-address-cells-9.dtb");
    EXPECT_TRUE(no_cells.units.at(0).registers.empty());
    EXPECT_TRUE(has_finding(no_cells, "dtb-unit-no-registers"));
}

// No refusal but a crash, a hang or a read behind the end would fail here under a sanitizer.
TEST(MalformedTrees, ChangedBytesAndPrefixesEnd) {
    const auto sound = test::bytes_of(test::data_folder() / "dtb/synth-board1.dtb");
    constexpr unsigned values[] = {0x00, 0x01, 0x7f, 0xff};
    for (std::size_t i = 0; i < sound.size(); i += 3) {
        auto changed = sound;
        changed[i] = std::byte(values[i % 4]);
        (void)parse_device_tree(changed);
    }
    for (std::size_t length = 0; length < sound.size(); length += 7) {
        const std::vector<std::byte> prefix(sound.begin(), sound.begin() + std::ptrdiff_t(length));
        EXPECT_FALSE(parse_device_tree(prefix)) << length;
    }
}

// libfdt would read a property's name to its end for each property that has it.
TEST(MalformedTrees, LongNamesAreRefused) {
    auto bytes = test::bytes_of(test::data_folder() / "dtb/debian7.2-juno-r1.dtb");
    std::size_t strings = 0;
    for (std::size_t i = 12; i < 16; ++i) strings = strings << 8 | std::to_integer<std::size_t>(bytes[i]);
    for (std::size_t i = strings; i < strings + 300; ++i)
        if (bytes[i] == std::byte{0}) bytes[i] = std::byte{'x'};
    const auto tree = parse_device_tree(bytes);
    ASSERT_FALSE(tree);
    EXPECT_NE(tree.error().text.find("more than 255 characters"), std::string::npos) << tree.error().text;
}

TEST(MalformedTrees, TooLargeIsRefused) {
    const std::vector<std::byte> bytes(largest_tree_bytes + 1);
    EXPECT_FALSE(parse_device_tree(bytes));
}

}  // namespace
}  // namespace smmu::firmware

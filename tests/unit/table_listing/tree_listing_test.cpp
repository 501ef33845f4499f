// SPDX-License-Identifier: Apache-2.0
// What smmuctl says of device trees: all of tests/data/dtb against the counts of their index, damaged ones without falling.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "cli/table_listing.hpp"
#include "tests/unit/firmware/test_data.hpp"

namespace smmu::cli {
namespace {

using nlohmann::json;

json listing_of(const std::string& file) {
    const std::vector<platform::RawTable> tables{{"dtb", file, test::bytes_of(test::data_folder() / "dtb" / file)}};
    const report::TableListing listing = list_tables(tables);
    EXPECT_FALSE(listing_text(listing).empty() && !listing.units.empty());
    return json::parse(report::to_json(listing));
}

std::size_t findings_of(const json& listing, const std::string& id) {
    return std::size_t(std::ranges::count_if(listing["findings"], [&](const json& finding) { return finding["id"] == id; }));
}

TEST(TreeListing, EveryTreeHasTheUnitsAndMastersOfItsIndex) {
    const auto rows = test::tree_index();
    EXPECT_EQ(rows.size(), 28u);
    for (const auto& [file, row] : rows) {
        SCOPED_TRACE(row);
        const json listing = listing_of(file);
        EXPECT_EQ(listing["units"].size() + findings_of(listing, "dtb-unit-not-listed"), test::count_of(row, "iommus"));
        std::size_t specifiers = 0;
        for (const json& device : listing["devices"])
            if (device["type"] != "requesters") specifiers += device["streams"].size();
        EXPECT_GE(specifiers, test::count_of(row, "specifiers"));
    }
}

TEST(TreeListing, AnEmulatedBoard) {
    const json listing = listing_of("qemu11-virt-smmuv3.dtb");
    ASSERT_EQ(listing["units"].size(), 1u);
    EXPECT_EQ(listing["units"][0]["kind"], "smmuv3");
    EXPECT_EQ(listing["units"][0]["registers"], 0x9050000);
    EXPECT_EQ(listing["units"][0]["supported"], true);
    ASSERT_EQ(listing["devices"].size(), 1u);
    EXPECT_EQ(listing["devices"][0]["type"], "requesters");
    EXPECT_EQ(listing["devices"][0]["path"], "0000:0000-ffff");
    EXPECT_EQ(listing["devices"][0]["streams"][0]["unit"], "smmuv3@9050000");
    ASSERT_EQ(listing["windows"].size(), 1u);
    EXPECT_EQ(listing["windows"][0]["base"], 0x4010000000);
    EXPECT_TRUE(listing["findings"].empty());
}

TEST(TreeListing, MastersMasksAndReservedMemory) {
    const json listing = listing_of("synth-board1.dtb");
    const auto device = [&](const std::string& id) {
        const auto at = std::ranges::find_if(listing["devices"], [&](const json& one) { return one["id"] == id; });
        return at != listing["devices"].end() ? *at : json();
    };
    const json display = device("mem:0x10400000,0x1000");
    EXPECT_EQ(display["type"], "platform");
    ASSERT_EQ(display["streams"].size(), 2u);
    EXPECT_FALSE(display["streams"][0].contains("mask"));
    EXPECT_EQ(display["streams"][1]["mask"], 0x7f80);
    EXPECT_EQ(device("mem:0x10501000,0x1000")["type"], "off");
    EXPECT_EQ(device("0000:00:00.0")["type"], "function");
    EXPECT_TRUE(std::ranges::any_of(listing["reserved"], [](const json& region) {
        return region["first"] == 0x40000000 && region["devices"][0] == "mem:0x10400000,0x1000";
    }));
}

TEST(TreeListing, UnitsThatNobodyDrivesAreListed) {
    const json listing = listing_of("debian7.2-rk3588-rock-5b.dtb");
    EXPECT_TRUE(std::ranges::any_of(listing["units"], [](const json& unit) { return unit["kind"] == "rockchip" && unit["supported"] == false; }));
    EXPECT_EQ(listing_of("debian7.2-r8a77951-salvator-xs.dtb")["units"].size(), 17u);
}

TEST(TreeListing, DamagedTreesEndInFindings) {
    std::size_t files = 0, refused = 0;
    for (const auto& entry : std::filesystem::directory_iterator(test::data_folder() / "dtb/malformed")) {
        if (entry.path().extension() != ".dtb") continue;
        SCOPED_TRACE(entry.path());
        ++files;
        refused += findings_of(listing_of("malformed/" + entry.path().filename().string()), "dtb-refused");
    }
    EXPECT_EQ(files, 24u);
    EXPECT_EQ(refused, 10u);
}

}  // namespace
}  // namespace smmu::cli

// SPDX-License-Identifier: Apache-2.0
// What smmuctl says of raw tables: real ones against the counts of an independent decoder, broken ones without falling.
#include "cli/table_listing.hpp"

#include <gtest/gtest.h>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tests/unit/firmware/madt_bytes.hpp"
#include "tests/unit/firmware/test_data.hpp"

namespace smmu::cli {
namespace {

using nlohmann::json;

json listing_of(const std::filesystem::path& file, const std::string& signature) {
    const std::vector<platform::RawTable> tables{{signature, file.filename(), test::bytes_of(file)}};
    const report::TableListing listing = list_tables(tables);
    EXPECT_FALSE(listing_text(listing).empty() && !listing.units.empty());
    return json::parse(report::to_json(listing));
}

// The line "# counts: {...}" beside the table.
json expected_counts(std::filesystem::path file) {
    const std::string text = test::text_of(file.replace_extension("").concat(".expected.txt"));
    const std::string mark = "# counts: ";
    const auto begin = text.find(mark);
    return json::parse(text.substr(begin + mark.size(), text.find('\n', begin) - begin - mark.size()));
}

std::size_t devices_of_type(const json& listing, const std::string& type) {
    return std::size_t(std::ranges::count_if(listing["devices"], [&](const json& device) { return device["type"] == type; }));
}

TEST(TableListing, RealTablesHaveTheUnitsAndReservedRegionsOfTheOtherDecoder) {
    const auto files = test::tables_of("DMAR");
    ASSERT_EQ(files.size(), 11u);
    for (const auto& file : files) {
        SCOPED_TRACE(file.filename());
        const json listing = listing_of(file, "DMAR");
        const json counts = expected_counts(file);
        const auto dropped = [&](const std::string& id) {
            return std::size_t(
                std::ranges::count_if(listing["findings"], [&](const json& finding) { return finding["id"] == id; }));
        };
        EXPECT_EQ(listing["schema"], 1);
        EXPECT_EQ(listing["units"].size() + dropped("dmar-drhd-base-zero"), counts.value("iommus", std::size_t{0}));
        EXPECT_EQ(listing["reserved"].size() + dropped("dmar-rmrr-unusual"), counts.value("rmrr", std::size_t{0}));
        EXPECT_EQ(devices_of_type(listing, "namespace"), counts.value("scope_namespace", std::size_t{0}));
        EXPECT_EQ(devices_of_type(listing, "hpet"), counts.value("scope_hpet", std::size_t{0}));
        EXPECT_EQ(devices_of_type(listing, "ioapic"), counts.value("scope_ioapic", std::size_t{0}));
    }
}

TEST(TableListing, ConfigurationWindowsToo) {
    const auto files = test::tables_of("MCFG");
    ASSERT_EQ(files.size(), 7u);
    for (const auto& file : files) {
        SCOPED_TRACE(file.filename());
        EXPECT_EQ(listing_of(file, "MCFG")["windows"].size(), expected_counts(file).value("ecam", std::size_t{0}));
    }
}

TEST(TableListing, RealIortsHaveTheCountsOfTheOtherDecoder) {
    const auto files = test::tables_of("IORT");
    ASSERT_EQ(files.size(), 10u);
    for (const auto& file : files) {
        SCOPED_TRACE(file.filename());
        const json listing = listing_of(file, "IORT");
        const json counts = expected_counts(file);
        const auto nodes = [&](const std::string& kind) { return counts["node_types"].value(kind, std::size_t{0}); };
        EXPECT_EQ(listing["units"].size(), counts["iommus"]);
        EXPECT_EQ(listing["reserved"].size(), counts.value("reserved", std::size_t{0}));
        EXPECT_EQ(devices_of_type(listing, "namespace"), nodes("named"));
        EXPECT_EQ(listing["frames"].size(), 2 * nodes("pmcg"));
        for (const json& unit : listing["units"]) EXPECT_TRUE(unit["supported"]);
        for (const json& device : listing["devices"]) EXPECT_EQ(device["id"].is_null(), device["type"] == "requesters");
    }
}

TEST(TableListing, RequestersHaveTheStreamsOfTheirMapping) {
    const json two = listing_of(test::data_folder() / "acpi/qemu11-virt-two-smmuv3-dev.IORT.bin", "IORT");
    const json& first = two["devices"].front();
    EXPECT_EQ(first["path"], "0000:0000-00ff");
    EXPECT_EQ(first["streams"], json::parse(R"([{"unit": "smmuv3@c000000", "first": 0, "last": 255}])"));
    const json around = listing_of(test::data_folder() / "acpi/qemu11-virt-smmuv3-pxb-bypass.IORT.bin", "IORT");
    EXPECT_TRUE(std::ranges::any_of(around["devices"], [](const json& device) { return device["streams"].empty(); }));
}

TEST(TableListing, InterruptControllersAndDoorbells) {
    test::MadtBytes madt;
    madt.distributor(0x08000000, 3).redistributors(0x080a0000, 0x20000).its(0, 0x08080000).message_frame(1, 0x08020000);
    const report::TableListing listing = list_tables(std::vector<platform::RawTable>{{"APIC", "APIC", madt.table()}});
    std::vector<std::string> seen;
    for (const report::ListedFrame& frame : listing.frames)
        seen.push_back(fmt::format("{:x}-{:x} {} {}", frame.first, frame.last, frame.what, frame.doorbell));
    EXPECT_EQ(seen, (std::vector<std::string>{"8000000-800ffff distributor false", "80a0000-80bffff redistributor false",
                                              "8080000-808ffff interrupt translation service false",
                                              "8090000-809ffff interrupt translation service true",
                                              "8020000-8020fff message frame true"}));
    EXPECT_NE(listing_text(listing).find("raise interrupts there"), std::string::npos);
}

TEST(TableListing, ADeviceBehindABridgeHasAPathButNoNumber) {
    const json listing = listing_of(test::data_folder() / "acpi/linuxhw-depo-super-server.DMAR.bin", "DMAR");
    const auto& devices = listing["reserved"].back()["devices"];
    EXPECT_EQ(devices.front(), "0000:00 02.0 00.0");
    for (const json& device : listing["devices"]) EXPECT_EQ(device["id"].is_null(), device["streams"].empty());
}

TEST(TableListing, BrokenTablesGiveFindings) {
    std::size_t seen = 0;
    for (const auto& entry : std::filesystem::directory_iterator(test::data_folder() / "malformed")) {
        const std::string name = entry.path().filename();
        if (!name.ends_with(".bin")) continue;
        SCOPED_TRACE(name);
        const json listing = listing_of(entry.path(), name.starts_with("dmar") ? "DMAR" : name.starts_with("iort") ? "IORT" : "MCFG");
        EXPECT_FALSE(listing["findings"].empty() && name != "dmar-many-drhd.bin");
        ++seen;
    }
    EXPECT_EQ(seen, 35u);
}

TEST(TableListing, KindsThatAreNotReadAreNamed) {
    const std::vector<platform::RawTable> tables{{"IVRS", "IVRS", {}}, {"SSDT", "SSDT1", {}}, {"dtb", "board.dtb", {}}};
    const report::TableListing listing = list_tables(tables);
    ASSERT_EQ(listing.findings.size(), 2u);
    EXPECT_EQ(listing.findings[0].id, "table-not-read");
    EXPECT_EQ(listing.findings[1].origin, "board.dtb");
}

}  // namespace
}  // namespace smmu::cli

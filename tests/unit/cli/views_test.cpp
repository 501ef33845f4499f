// SPDX-License-Identifier: Apache-2.0
// The tables, and that a document goes through JSON and back.
#include <gmock/gmock.h>

#include "cli/phrases.hpp"
#include "cli/text.hpp"
#include "tests/unit/cli/golden.hpp"
#include "tests/unit/cli/machines.hpp"

namespace smmu::test {
namespace {

using namespace cli;
using testing::HasSubstr;

TEST(Views, TheSmallMachine) {
    const report::Status status = small_machine();
    expect_golden("small-status.txt", status_text(status, {}));
    expect_golden("small-status-in-colour.txt", status_text(status, {.colour = true}));
    expect_golden("small-units.txt", units_text(status, {}));
    expect_golden("small-registers.txt", registers_text(status, {}));
    expect_golden("small-devices.txt", devices_text(status, {}));
    expect_golden("small-objects.txt", objects_text(status, {}));
    expect_golden("small-mappings.txt", mappings_text(status, {}));
    expect_golden("small-status.json", report::to_json(status) + '\n');
}

TEST(Views, OfTheBigMachine) {
    expect_golden("big-status.txt", status_text(big_machine(), {}));
    expect_golden("big-units.txt", units_text(big_machine(), {}));
}

TEST(Views, TablesOfTheSmallMachineFitIntoATerminal) {
    const report::Status status = small_machine();
    for (const std::string& text : {units_text(status, {}), devices_text(status, {}), objects_text(status, {}), mappings_text(status, {})}) {
        std::size_t from = 0;
        for (std::size_t end = text.find('\n'); end != std::string::npos; from = end + 1, end = text.find('\n', from))
            EXPECT_LE(columns_of(text.substr(from, end - from)), 120u) << text.substr(from, end - from);
    }
}

TEST(Views, TheHeadlineCountsUnitsThatAreThere) {
    report::Status status = small_machine();
    EXPECT_EQ(report::headline(status), "1 of 1 units contained · 7 devices: 2 contained, 4 blocked, 1 behind no unit · 1 MiB opened by firmware");
    status.units.push_back(make_unit("vtd@1000", 0x1000, 0));
    status.units.back().state = "no answer";
    EXPECT_TRUE(report::all_contained(status));
    status.units.back().state = "failed";
    EXPECT_FALSE(report::all_contained(status));
    EXPECT_THAT(report::headline(status), HasSubstr("1 of 2 units"));
}

TEST(Views, WhatJsonSaysIsReadBack) {
    for (const report::Status& status : {small_machine(), big_machine()}) {
        report::Status back;
        std::string why;
        ASSERT_TRUE(report::from_json(report::to_json(status), back, why)) << why;
        EXPECT_EQ(report::to_json(back), report::to_json(status));
    }
}

TEST(Views, DocumentsOfOlderServicesAreReadAndOthersAreNot) {
    report::Status back;
    std::string why;
    EXPECT_TRUE(report::from_json(R"({"schema":1,"units":[],"devices":[{"id":"0000:00:03.0"}],"objects":[]})", back, why)) << why;
    ASSERT_EQ(back.devices.size(), 1u);
    for (const char* text : {"", "{", "[]", "{}", R"({"schema":2,"units":[],"devices":[],"objects":[]})", R"({"schema":1})",
                             R"({"schema":1,"units":[],"devices":[],"objects":[],"findings":7})"})
        EXPECT_FALSE(report::from_json(text, back, why)) << text;
}

TEST(Phrases, TextIsCutBetweenCharacters) {
    EXPECT_EQ(cut("µµµµ", 4), "µµµµ");
    EXPECT_EQ(cut("µµµµµ", 4), "µµµ…");
    EXPECT_EQ(cut("abc", 1), "…");
    EXPECT_EQ(columns_of("µ…a"), 3u);
}

}  // namespace
}  // namespace smmu::test

// SPDX-License-Identifier: Apache-2.0
// smmuctl on a board: from a refused access to the line that allows it, with nothing but its output.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/e2e/machine_room.hpp"

namespace smmu::test {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::uint64_t wanted = memory_base + 5 * page;

class Smmuctl : public testing::Test {
protected:
    void SetUp() override {
        auto opened = MachineRoom::open();
        ASSERT_TRUE(opened) << opened.error().text;
        room_ = std::move(*opened);
        start({"smmu", "vtd"});
    }
    void start(const std::vector<std::string>& words) {
        const auto started = room_->start_service(words);
        ASSERT_TRUE(started) << started.error().text;
    }
    Ran smmuctl(std::vector<std::string> words) const {
        words.insert(words.begin(), {"--socket", Service::socket(room_->board())});
        return run(room_->board(), "smmuctl", words);
    }
    // Fires, and waits until the service has recorded it.
    void refuse(Edu& edu, std::uint64_t address) {
        const std::uint64_t before = room_->status().transgressions;
        room_->stray(edu, address);
        ASSERT_TRUE(eventually([&] { return room_->status().transgressions > before; }));
    }
    std::string file(const std::string& name, const std::string& text) const {
        const std::string path = room_->board().directory() + "/" + name;
        std::ofstream(path) << text;
        return path;
    }

    std::unique_ptr<MachineRoom> room_;
};

TEST_F(Smmuctl, TheSuggestedLineLetsTheRefusedAccessPass) {
    Edu& edu = room_->a();
    refuse(edu, wanted);
    refuse(edu, wanted + page);
    EXPECT_TRUE(room_->all(wanted, page, 0)) << "refused indeed";
    const Ran explained = smmuctl({"explain", "pci:0:3.0"});
    EXPECT_EQ(explained.status, 0) << explained.output;
    EXPECT_THAT(explained.output, HasSubstr("blocked: it reaches nothing, because nobody owns it"));
    EXPECT_THAT(explained.output, HasSubstr(fmt::format("write at {:#x}", wanted)));
    EXPECT_THAT(explained.output, HasSubstr("What would allow it"));

    EXPECT_EQ(smmuctl({"explain", "00:03.0"}).output, explained.output) << "the short form";
    const Ran as_json = smmuctl({"--json", "explain", "0000:00:03.0"});
    EXPECT_THAT(as_json.output, HasSubstr("\"kind\": \"configuration\""));
    EXPECT_THAT(as_json.output, HasSubstr(fmt::format("\"address\": {}", wanted + page)));

    const Ran suggested = smmuctl({"suggest"});
    EXPECT_EQ(suggested.status, 0);
    EXPECT_THAT(suggested.output, HasSubstr(fmt::format("allow open_0000_00_03_0 {:#x},8K,w", wanted)));
    EXPECT_EQ(room_->service().end(SIGTERM), 0);
    start({"smmu", "vtd", "@" + file("suggested.smmu", suggested.output)});  // pasted as it is, comments and all
    EXPECT_TRUE(room_->writes(edu, wanted));
    EXPECT_TRUE(room_->writes(edu, wanted + page));
    EXPECT_FALSE(room_->writes(edu, wanted + 2 * page)) << "not more than was refused";
    EXPECT_FALSE(room_->writes(room_->b(), wanted)) << "only for this device";
    EXPECT_THAT(smmuctl({"explain", "0000:00:03.0"}).output, HasSubstr("startup mapping"));
}

TEST_F(Smmuctl, ProtectedMemoryAndOwnedDevicesGetNoLine) {
    refuse(room_->b(), q35::vtd_registers.first.value);
    ClientProcess driver = room_->driver();
    ASSERT_NE(driver.own(q35::edu_a), nullptr);
    refuse(room_->a(), wanted);
    const Ran suggested = smmuctl({"suggest"});
    EXPECT_THAT(suggested.output, HasSubstr("Nothing allows write at 0xfed90000: it is protected"));
    EXPECT_THAT(suggested.output, HasSubstr("smmu_mapping_add"));
    EXPECT_THAT(suggested.output, Not(HasSubstr("\nallow ")));
    EXPECT_THAT(suggested.output, Not(testing::StartsWith("allow ")));
}

TEST_F(Smmuctl, OfflineItSaysWhatItSaidOnline) {
    ClientProcess driver = room_->driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    ASSERT_TRUE(driver.map(object, memory_base, page).done());
    const std::string dump = file("dump.json", smmuctl({"--json", "status"}).output);
    for (const std::vector<std::string>& view :
         {std::vector<std::string>{"status"}, {"units"}, {"devices"}, {"objects"}, {"mappings"}, {"topology"},
          {"topology", "--dot"}, {"topology", "--svg"}, {"explain", "0000:00:03.0"}, {"suggest"}, {"--json", "suggest"}}) {
        const Ran online = smmuctl(view);
        std::vector<std::string> words = {"--socket", "/nowhere", "--from", dump};
        words.insert(words.end(), view.begin(), view.end());
        const Ran offline = run(room_->board(), "smmuctl", words);
        EXPECT_EQ(offline.status, 0) << offline.output;
        if (view.front() != "status") {  // counts table memory, which the question itself may change
            EXPECT_EQ(offline.output, online.output) << view.back();
        }
    }
    EXPECT_THAT(smmuctl({"topology"}).output, HasSubstr("├─ 0000:00:03.0"));
    EXPECT_THAT(smmuctl({"topology"}).output, HasSubstr("│  └─ 0000:01:00.0")) << "below its port";
}

TEST_F(Smmuctl, WhatItCannotAnswerIsTwo) {
    EXPECT_EQ(smmuctl({"explain", "0000:1f:00.0"}).status, 2);
    const Ran wrong = smmuctl({"explain", "pci:3b:0.0"});
    EXPECT_EQ(wrong.status, 2);
    EXPECT_THAT(wrong.output, HasSubstr("did you mean pci:59:"));
    EXPECT_EQ(smmuctl({"--from", "/nonexistent", "status"}).status, 2);
    EXPECT_EQ(smmuctl({"--from", file("not.json", "{\"schema\":1}"), "status"}).status, 2);
    EXPECT_EQ(smmuctl({"no-such-view"}).status, 2);
    EXPECT_EQ(run(room_->board(), "smmuctl", {"--socket", "/nowhere", "status"}).status, 2);
}

TEST_F(Smmuctl, EventsGoOnWithTheNextServiceAndSaySo) {
    const std::string output = room_->board().directory() + "/events.out";
    const std::vector<std::string> words = {"--socket", Service::socket(room_->board()), "events", "--follow"};
    Program follower = Program::start("smmuctl", words, output);
    const auto says = [&](const std::string& text) {
        return eventually([&] { return contents(output).find(text) != std::string::npos; });
    };
    ASSERT_TRUE(says("listening"));
    refuse(room_->a(), wanted);
    EXPECT_TRUE(says(fmt::format("{:#x}", wanted))) << contents(output);
    EXPECT_EQ(room_->service().end(SIGTERM), 0);
    EXPECT_TRUE(says("the service is gone")) << contents(output);
    start({"smmu", "vtd"});
    ASSERT_TRUE(says("a new instance of the service")) << contents(output);
    refuse(room_->b(), wanted + 7 * page);
    EXPECT_TRUE(says(fmt::format("{:#x}", wanted + 7 * page))) << contents(output);
    EXPECT_THAT(contents(output), HasSubstr("nobody owns the device"));
    follower.end(SIGKILL);
}

}  // namespace
}  // namespace smmu::test

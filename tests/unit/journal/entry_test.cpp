// SPDX-License-Identifier: Apache-2.0
// Entry and Writer: the fields of the journal, their words, and what happens when the journal does not take them.
#include "journal/entry.hpp"

#include <gmock/gmock.h>

#include <cerrno>
#include <fstream>
#include <iterator>
#include <set>

#include "journal/writer.hpp"

namespace smmu::journal {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

report::Event refusal() {
    report::Event event;
    event.sequence = 17;
    event.unit = "vtd@fed90000";
    event.device = "0000:00:03.0";
    event.access = "w";
    event.cause = "never-granted";
    event.stream = 0x18;
    event.address = 0x500'0000;
    event.count = 3;
    event.owner = {712, 1000, "", 4};
    return event;
}

TEST(Entry, HasEveryFieldOfARefusal) {
    EXPECT_THAT(entry_of(refusal()),
                UnorderedElementsAre("MESSAGE=0000:00:03.0: write at 0x5000000, 3 times: its owner never granted this address "
                                     "(owner pid 712 object 4)",
                                     "MESSAGE_ID=7f78cea8d55e4a56b0128edcfc26204a", "PRIORITY=4", "SMMU_UNIT=vtd@fed90000",
                                     "SMMU_CAUSE=never-granted", "SMMU_SEQ=17", "SMMU_COUNT=3", "SMMU_DEVICE=0000:00:03.0",
                                     "SMMU_ACCESS=write", "SMMU_ADDRESS=0x5000000", "SMMU_STREAM=0x18", "SMMU_OWNER_PID=712",
                                     "SMMU_OWNER_UID=1000", "SMMU_OWNER_OBJECT=4"));
}

TEST(Entry, LeavesOutWhatNobodyKnows) {
    report::Event event = refusal();
    event.device = "-";
    event.access = "";
    event.owner = {};
    event.address_known = event.stream_known = false;
    event.cause = "unknown-stream";
    const Entry entry = entry_of(event);
    for (const char* field : {"SMMU_DEVICE", "SMMU_ACCESS", "SMMU_ADDRESS", "SMMU_STREAM", "SMMU_OWNER_PID", "SMMU_OWNER_UID",
                              "SMMU_OWNER_OBJECT"})
        EXPECT_EQ(value(entry, field), "") << field;
    EXPECT_THAT(value(entry, "MESSAGE"), HasSubstr("a device unknown to vtd@fed90000"));
}

TEST(Entry, SaysHowMuchItMatters) {
    report::Event event = refusal();
    EXPECT_EQ(value(entry_of(event), "PRIORITY"), "4");
    event.cause = "unit-configuration";
    EXPECT_EQ(value(entry_of(event), "PRIORITY"), "3");
    event.cause = "device-gone";
    EXPECT_EQ(value(entry_of(event), "PRIORITY"), "5");
}

TEST(Entry, HasAnExplanationInTheCatalogue) {
    std::ifstream file(SMMU_SOURCE_DIR "/packaging/smmuman.catalog");
    const std::string catalogue{std::istreambuf_iterator<char>(file), {}};
    report::Event gone = refusal();
    gone.cause = "device-gone";
    std::set<std::string> ids;
    for (const Entry& entry : {entry_of(refusal()), entry_of(gone), entry_of_loss(refusal())}) {
        const std::string id = value(entry, "MESSAGE_ID");
        ids.insert(id);
        EXPECT_EQ(id.size(), 32u);
        EXPECT_THAT(catalogue, HasSubstr("-- " + id + "\nSubject: "));
    }
    EXPECT_EQ(ids.size(), 3u);
}

std::vector<Entry> sent;
int answer;
int take(const iovec* fields, int count) {
    Entry entry;
    for (int i = 0; i < count; ++i) entry.emplace_back(static_cast<const char*>(fields[i].iov_base), fields[i].iov_len);
    sent.push_back(entry);
    return answer;
}

TEST(Writer, SaysWhereRecordsWereLost) {
    sent.clear();
    answer = 0;
    Writer writer(take);
    writer.take(refusal(), false);
    writer.take(refusal(), true);
    ASSERT_EQ(sent.size(), 3u);
    EXPECT_EQ(sent[0], entry_of(refusal()));
    EXPECT_EQ(sent[1], entry_of_loss(refusal()));
    EXPECT_EQ(sent[2], entry_of(refusal()));
}

TEST(Writer, PrintsWhatTheJournalDoesNotTake) {
    answer = -ENOBUFS;
    Writer writer(take);
    testing::internal::CaptureStderr();
    writer.take(refusal(), false);
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                AllOf(HasSubstr("smmuman-log: the journal did not take this"), HasSubstr("write at 0x5000000")));
}

}  // namespace
}  // namespace smmu::journal

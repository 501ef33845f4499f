// SPDX-License-Identifier: Apache-2.0
// A machine whose table is damaged, described by hand, while its description changes.
#include <gmock/gmock.h>

#include "tests/e2e/machine_room.hpp"

namespace smmu::test {
namespace {

using testing::HasSubstr;

// Everything is described by hand beside a damaged table; a reload must not leave a state that a start refuses.
TEST(ReloadByHand, IsRefusedWhereAStartWouldEnd) {
    auto opened = MachineRoom::open("q35-vtd", {"--replace-table", "DMAR=hex:444d4152"});
    ASSERT_TRUE(opened) << opened.error().text;
    MachineRoom& room = **opened;
    const std::string path = room.board().directory() + "/by-hand.smmu";
    const auto write = [&](const std::string& last) {
        std::ofstream file(path);
        file << "smmu vtd\nunit dmar0 fed90000\n";
        for (const char* device : {"00:03.0", "00:04.0", "00:07.0", "00:08.0", "00:1f.2", "00:1f.3", "01:00.0", "02:01.0"})
            file << "device 0000:" << device << " use dmar0\n";
        file << last;
    };
    const std::string last = "device 0000:02:02.0 use dmar0\n";
    write(last);
    const auto started = room.start_service({"@" + path});
    ASSERT_TRUE(started) << started.error().text;
    const std::vector<std::string> reload{"--socket", Service::socket(room.board()), "reload"};
    EXPECT_EQ(run(room.board(), "smmuctl", reload).status, 0);
    write("");
    const Ran refused = run(room.board(), "smmuctl", reload);
    EXPECT_EQ(refused.status, 2);
    EXPECT_THAT(refused.output, HasSubstr("a start would end because of it"));
    write(last);
    EXPECT_EQ(run(room.board(), "smmuctl", reload).status, 0);
}

}  // namespace
}  // namespace smmu::test

// SPDX-License-Identifier: Apache-2.0
// What becomes of a service that is started with damaged firmware tables, and that it is so.
#pragma once

#include <gmock/gmock.h>

#include "tests/e2e/machine_room.hpp"

namespace smmu::test {

// untouched: exit 4, the unit is as it was found. blocked: exit 4, the unit refuses everything. contained: ready.
enum class Outcome { untouched, blocked, contained };

struct DamagedCase {
    Outcome outcome;
    const char* sentence;  // of what the service says
};

// Nothing is open that the service took into its hands.
inline void expect_outcome(MachineRoom& room, const std::vector<std::string>& words, const DamagedCase& expected) {
    const std::uint64_t free_memory = room.memory() + 8 * page;
    std::string said;
    if (expected.outcome == Outcome::contained) {
        const auto started = room.start_service(words);
        ASSERT_TRUE(started) << started.error().text;
        said = room.service().said();
    } else {
        const Ran ran = run(room.board(), "smmuman", Service::words(room.board(), words));
        EXPECT_EQ(ran.status, 4) << ran.output;
        EXPECT_THAT(ran.output, testing::HasSubstr("NOT CONTAINED"));
        said = ran.output;
    }
    EXPECT_THAT(said, testing::HasSubstr(expected.sentence));
    EXPECT_EQ(room.writes(room.a(), free_memory), expected.outcome == Outcome::untouched) << said;
}

// A file's name without its ending, of each one in the folder.
inline std::vector<std::string> names_of_files(const std::filesystem::path& folder, std::string_view ending) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        if (entry.path().extension() == ending) names.push_back(entry.path().stem());
    std::ranges::sort(names);
    return names;
}
inline std::string with_underscores(const testing::TestParamInfo<std::string>& chosen) {
    std::string name = chosen.param;
    std::ranges::replace(name, '-', '_');
    return name;
}

}  // namespace smmu::test

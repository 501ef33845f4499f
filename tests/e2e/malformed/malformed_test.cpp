// SPDX-License-Identifier: Apache-2.0
// Every broken firmware table starts a board: its register bases are made the board's, so that what the service makes
// of the table meets real hardware. Whatever it decides, nothing is left open that it took into its hands.
#include <gmock/gmock.h>

#include <map>

#include "tests/e2e/machine_room.hpp"
#include "tests/unit/firmware/test_data.hpp"

namespace smmu::test {
namespace {

// untouched: exit 4, the unit is as it was found. blocked: exit 4, the unit refuses everything. contained: ready.
enum class Outcome { untouched, blocked, contained };

struct Case {
    Outcome outcome;
    const char* sentence;  // of what the service says
};

// Why each is so: a table that as a whole cannot be trusted names no unit, so there is none to take (M = 0: exit 4). One
// of which a part is dropped is an error where the part said which unit a device is behind: what is reachable blocks, and
// nothing is served. A part that only costs memory or names is left out with a warning.
const std::map<std::string, Case> cases = {
    {"dmar-len-past-file", {Outcome::untouched, "DMAR"}},
    {"dmar-truncated-len-kept", {Outcome::untouched, "DMAR"}},
    {"dmar-csum", {Outcome::untouched, "the bytes sum to"}},
    {"dmar-eight-bytes", {Outcome::untouched, "DMAR"}},
    {"dmar-sig-lower", {Outcome::untouched, "DMAR"}},
    {"dmar-drhd-len0", {Outcome::untouched, "DMAR"}},
    {"dmar-drhd-len8", {Outcome::untouched, "DMAR+0x"}},
    {"dmar-scope-len0", {Outcome::blocked, "DMAR+0x"}},
    {"dmar-scope-len6", {Outcome::blocked, "DMAR+0x"}},
    {"dmar-scope-past-drhd", {Outcome::blocked, "DMAR+0x"}},
    {"dmar-scope-type-ee", {Outcome::contained, "DMAR+0x"}},
    {"dmar-rmrr-inverted", {Outcome::contained, "DMAR+0x"}},
    {"dmar-drhd-base-twice", {Outcome::blocked, "DMAR+0x"}},
    {"dmar-drhd-base-ffff", {Outcome::blocked, "DMAR+0x"}},
    {"dmar-many-drhd", {Outcome::blocked, "DMAR"}},
    {"dmar-namespace-no-andd", {Outcome::contained, "DMAR+0x"}},
    {"mcfg-truncated-len-kept", {Outcome::blocked, "MCFG"}},
    {"mcfg-ragged", {Outcome::contained, "MCFG"}},
    {"mcfg-overlap", {Outcome::blocked, "MCFG"}},
};

using Bytes = std::vector<std::byte>;

// Replaces a 64-bit number wherever it stands; the sum of all bytes stays what it was, right or wrong.
bool replace(Bytes& table, std::uint64_t from, std::uint64_t to) {
    const auto pattern = std::bit_cast<std::array<std::byte, 8>>(from), made = std::bit_cast<std::array<std::byte, 8>>(to);
    const auto sum_of = [&] {
        unsigned sum = 0;
        for (const std::byte byte : table) sum += std::to_integer<unsigned>(byte);
        return sum;
    };
    const unsigned before = sum_of();
    bool found = false;
    for (std::size_t at = 0; at + 8 <= table.size(); ++at) {
        if (!std::equal(pattern.begin(), pattern.end(), table.begin() + std::ptrdiff_t(at))) continue;
        std::ranges::copy(made, table.begin() + std::ptrdiff_t(at));
        found = true;
    }
    constexpr std::size_t checksum = 9;
    if (found && table.size() > checksum)
        table[checksum] = std::byte(std::to_integer<unsigned>(table[checksum]) + before - sum_of());
    return found;
}

Bytes for_the_board(const std::string& name) {
    Bytes table = bytes_of(data_folder() / "malformed" / (name + ".bin"));
    if (name.starts_with("mcfg")) {
        replace(table, 0x400000000, q35::ecam.value);
        return table;
    }
    // The unit that takes what no other names is the board's, in two tables another one: the only one twice, and the
    // first of thousands. What is added at the board's timer goes to where nothing answers.
    constexpr std::uint64_t takes_the_rest = 0xc7ffc000, other = 0xfbffc000, first_of_many = 0x100000000, timer = 0xfed00000;
    const bool is_other = name == "dmar-drhd-base-twice", is_first = name == "dmar-many-drhd";
    replace(table, is_other ? other : is_first ? first_of_many : takes_the_rest, q35::vtd_registers.first.value);
    replace(table, timer, 0xfed91000);
    return table;
}

void write(const std::string& path, const Bytes& bytes) {
    std::ofstream file(path, std::ios::binary);
    for (const std::byte byte : bytes) file.put(char(byte));
}

class BrokenTable : public testing::TestWithParam<std::string> {};

TEST_P(BrokenTable, LeavesNothingOpen) {
    auto room = MachineRoom::open();
    ASSERT_TRUE(room) << room.error().text;
    const std::string folder = (*room)->board().directory() + "/tables";
    std::filesystem::create_directory(folder);
    const auto own = (*room)->link().firmware_tables();
    ASSERT_TRUE(own) << own.error().text;
    for (const link::FirmwareTable& table : *own)
        if (table.name == "DMAR" || table.name == "MCFG") write(folder + "/" + table.name, table.bytes);
    const std::string& name = GetParam();
    write(folder + (name.starts_with("dmar") ? "/DMAR" : "/MCFG"), for_the_board(name));

    const Case& expected = cases.at(name);
    const std::vector<std::string> words{"--tables", folder, "smmu", "vtd"};
    const std::uint64_t free_memory = memory_base + 8 * page;
    std::string said;
    if (expected.outcome == Outcome::contained) {
        const auto started = (*room)->start_service(words);
        ASSERT_TRUE(started) << started.error().text;
        said = (*room)->service().said();
    } else {
        const Ran ran = run((*room)->board(), "smmuman", Service::words((*room)->board(), words));
        EXPECT_EQ(ran.status, 4) << ran.output;
        EXPECT_THAT(ran.output, testing::HasSubstr("NOT CONTAINED"));
        said = ran.output;
    }
    EXPECT_THAT(said, testing::HasSubstr(expected.sentence));
    EXPECT_EQ((*room)->writes((*room)->a(), free_memory), expected.outcome == Outcome::untouched) << said;
}

std::vector<std::string> names() {
    std::vector<std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(data_folder() / "malformed"))
        if (entry.path().extension() == ".bin" && !entry.path().stem().string().starts_with("iort")) all.push_back(entry.path().stem());
    std::ranges::sort(all);
    return all;
}

INSTANTIATE_TEST_SUITE_P(All, BrokenTable, testing::ValuesIn(names()), [](const auto& chosen) {
    std::string name = chosen.param;
    std::ranges::replace(name, '-', '_');
    return name;
});

}  // namespace
}  // namespace smmu::test

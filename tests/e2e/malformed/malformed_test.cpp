// SPDX-License-Identifier: Apache-2.0
// Every broken firmware table starts a board: its register bases are made the board's, so that what the service makes
// of the table meets real hardware. Whatever it decides, nothing is left open that it took into its hands.
#include <map>

#include "tests/e2e/damaged.hpp"
#include "tests/e2e/table_folder.hpp"
#include "tests/unit/firmware/test_data.hpp"

namespace smmu::test {
namespace {

// The SMMUv2 of the tables of which the IORTs are variants: nothing is there on the board.
constexpr const char* smmuv2_of_iorts = "0x15000000";

// Why each is so: a table that as a whole cannot be trusted names no unit, so there is none to take (M = 0: exit 4). One
// of which a part is dropped is an error where the part said which unit a device is behind: what is reachable blocks, and
// nothing is served. A part that only costs memory or names is left out with a warning.
const std::map<std::string, DamagedCase> cases = {
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
    {"iort-len-past-file", {Outcome::untouched, "the header says"}},
    {"iort-truncated-len-fixed", {Outcome::blocked, "IORT+0x"}},
    {"iort-header-only", {Outcome::untouched, "ends before its first node"}},
    {"iort-count-ffffffff", {Outcome::blocked, "says that it has 4294967295 nodes"}},
    {"iort-array-past-end", {Outcome::untouched, "outside the table"}},
    {"iort-node-len0", {Outcome::untouched, "its length is impossible"}},
    {"iort-map-count-huge", {Outcome::blocked, "is said to have 214748365 mappings"}},
    {"iort-self-cycle", {Outcome::blocked, "does not lead to a named component"}},
    {"iort-cycle-two", {Outcome::blocked, "does not lead to a root complex"}},
    {"iort-ref-header", {Outcome::blocked, "it leads to no node"}},
    {"iort-id-wrap", {Outcome::blocked, "its ids wrap"}},
    {"iort-its-count-huge", {Outcome::contained, "identifiers"}},
    {"iort-rmr-unaligned", {Outcome::contained, "is not whole pages or wraps"}},
    {"iort-ctx-count-huge", {Outcome::contained, "context interrupts"}},
    {"iort-name-unterminated", {Outcome::contained, "The name of a component"}},
    {"iort-map-overlap", {Outcome::contained, "say different things of the same ids"}},
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
    if (name.starts_with("iort")) {
        // The unit of the first segment is the board's; where the others are said to be, nothing answers.
        replace(table, 0x2b400000, virt::smmu_registers.first.value);
        return table;
    }
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

class BrokenTable : public testing::TestWithParam<std::string> {};

std::string signature_of(const std::string& name) {
    return name.starts_with("dmar") ? "DMAR" : name.starts_with("iort") ? "IORT" : "MCFG";
}

TEST_P(BrokenTable, LeavesNothingOpen) {
    const std::string& name = GetParam();
    auto room = MachineRoom::open(name.starts_with("iort") ? "virt-smmuv3" : "q35-vtd");
    ASSERT_TRUE(room) << room.error().text;
    const auto folder = table_folder(**room, signature_of(name), for_the_board(name));
    ASSERT_TRUE(folder) << folder.error().text;
    std::vector<std::string> words{"--tables", *folder, "smmu", (*room)->unit_kind()};
    const DamagedCase& expected = cases.at(name);
    if (name.starts_with("iort") && expected.outcome == Outcome::contained)
        words.insert(words.end(), {"uncontained", "accept", smmuv2_of_iorts});
    expect_outcome(**room, words, expected);
}

INSTANTIATE_TEST_SUITE_P(All, BrokenTable, testing::ValuesIn(names_of_files(data_folder() / "malformed", ".bin")), with_underscores);

}  // namespace
}  // namespace smmu::test

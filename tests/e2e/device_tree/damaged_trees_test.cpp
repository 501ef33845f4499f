// SPDX-License-Identifier: Apache-2.0
// Every damaged device tree starts a board that has the units it names: whatever the service decides, nothing is left open
// that it took into its hands.
#include <gmock/gmock.h>

#include <map>
#include <sstream>

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

// A tree that as a whole cannot be trusted names no unit, so there is none to take (M = 0: exit 4). One of which a part is
// dropped is an error where the part said which unit a device is behind.
const std::map<std::string, Case> cases = {
    {"dtb-half", {Outcome::untouched, "device tree: it says"}},
    {"dtb-totalsize-huge", {Outcome::untouched, "device tree: its header is wrong"}},
    {"dtb-struct-off-out", {Outcome::untouched, "device tree: its header is wrong"}},
    {"dtb-struct-unaligned", {Outcome::untouched, "device tree: its"}},
    {"dtb-magic", {Outcome::untouched, "device tree: its header is wrong"}},
    {"dtb-header-only", {Outcome::untouched, "device tree: it says"}},
    {"dtb-prop-len-huge", {Outcome::untouched, "device tree: its structure is wrong"}},
    {"dtb-nameoff-out", {Outcome::untouched, "device tree: its structure is wrong"}},
    {"dtb-no-end", {Outcome::untouched, "device tree: its structure is wrong"}},
    {"dtb-extra-end-node", {Outcome::untouched, "device tree: its structure is wrong"}},
    {"dtb-phandle-none", {Outcome::blocked, "which is no unit"}},
    {"dtb-iommus-not-iommu", {Outcome::blocked, "which is no unit"}},
    {"dtb-iommus-3bytes", {Outcome::blocked, "no list of whole cells"}},
    {"dtb-map-3cells", {Outcome::blocked, "ends inside an entry"}},
    {"dtb-map-len-ffffffff", {Outcome::blocked, "wraps past the last stream"}},
    {"dtb-map-zero-len", {Outcome::contained, "0000:00:03.0"}},
    {"dtb-iommu-self", {Outcome::blocked, "stand behind itself"}},
    {"dtb-intr-cycle", {Outcome::contained, ""}},
    {"dtb-cells-ffffffff", {Outcome::blocked, "wants 4294967295 cells"}},
    {"dtb-phandle-twice", {Outcome::blocked, "nodes have the phandle"}},
    {"dtb-addresses-short", {Outcome::blocked, "iommu-addresses"}},
    {"dtb-address-cells-9", {Outcome::untouched, "has no registers that the processors reach"}},
    {"dtb-status-unterminated", {Outcome::contained, "no terminating zero"}},
    {"dtb-wide", {Outcome::contained, ""}},
};

using Bytes = std::vector<std::byte>;

// The configuration space of those that were built by hand is the board's.
Bytes for_the_board(const std::string& name) {
    Bytes tree = bytes_of(data_folder() / "dtb/malformed" / (name + ".dtb"));
    constexpr std::array<unsigned, 16> built = {0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 0, 0};
    const auto same = [](std::byte a, unsigned b) { return a == std::byte(b); };
    const auto at = std::ranges::search(tree, built, same);
    constexpr std::uint8_t high_bits = virt::ecam.value >> 32;
    if (!at.empty()) at[3] = std::byte{high_bits};
    return tree;
}

void write(const std::string& path, const Bytes& bytes) {
    std::ofstream file(path, std::ios::binary);
    for (const std::byte byte : bytes) file.put(char(byte));
}

class DamagedTree : public testing::TestWithParam<std::string> {};

TEST_P(DamagedTree, LeavesNothingOpen) {
    auto room = MachineRoom::open("virt-smmuv3-dt");
    ASSERT_TRUE(room) << room.error().text;
    const std::string folder = (*room)->board().directory() + "/tables";
    std::filesystem::create_directory(folder);
    ASSERT_TRUE(cases.contains(GetParam()));
    write(folder + "/board.dtb", for_the_board(GetParam()));

    const Case& expected = cases.at(GetParam());
    const std::vector<std::string> words{"--tables", folder, "smmu", "armsmmuv3"};
    const std::uint64_t free_memory = (*room)->memory() + 8 * page;
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
    for (const auto& entry : std::filesystem::directory_iterator(data_folder() / "dtb/malformed"))
        if (entry.path().extension() == ".dtb") all.push_back(entry.path().stem());
    std::ranges::sort(all);
    return all;
}

INSTANTIATE_TEST_SUITE_P(All, DamagedTree, testing::ValuesIn(names()), [](const auto& chosen) {
    std::string name = chosen.param;
    std::ranges::replace(name, '-', '_');
    return name;
});

}  // namespace
}  // namespace smmu::test

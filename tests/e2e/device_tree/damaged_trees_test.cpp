// SPDX-License-Identifier: Apache-2.0
// Every damaged device tree starts a board that has the units it names: whatever the service decides, nothing is left open
// that it took into its hands.
#include <map>
#include <sstream>

#include "tests/e2e/damaged.hpp"
#include "tests/unit/firmware/test_data.hpp"

namespace smmu::test {
namespace {

// A tree that as a whole cannot be trusted names no unit, so there is none to take (M = 0: exit 4). One of which a part is
// dropped is an error where the part said which unit a device is behind.
const std::map<std::string, DamagedCase> cases = {
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

    expect_outcome(**room, {"--tables", folder, "smmu", "armsmmuv3"}, cases.at(GetParam()));
}

INSTANTIATE_TEST_SUITE_P(All, DamagedTree, testing::ValuesIn(names_of_files(data_folder() / "dtb/malformed", ".dtb")),
                         with_underscores);

}  // namespace
}  // namespace smmu::test

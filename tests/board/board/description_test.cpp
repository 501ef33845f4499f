// SPDX-License-Identifier: Apache-2.0
// What smmu-board says to a description that is wrong.
#include <gtest/gtest.h>

#include "tests/board/board_fixture.hpp"

namespace smmu {
namespace {

// A description of our own, and what smmu-board says to it.
std::string complaint(const std::string& description) {
    std::string directory = std::filesystem::temp_directory_path() / "smmu-description-XXXXXX";
    if (mkdtemp(directory.data()) == nullptr) return "no directory";
    const std::string path = directory + "/odd.json";
    std::ofstream(path) << description;
    const auto board = test::BoardProcess::start(path);
    std::filesystem::remove_all(directory);
    return board ? "" : board.error().text;
}

TEST(BoardDescription, SaysWhatIsWrongWithADescription) {
    EXPECT_EQ(complaint(R"({"machine": "x86"})"), "") << "a bare machine is one";
    EXPECT_NE(complaint(R"({"machine": )").find("odd.json"), std::string::npos);
    EXPECT_NE(complaint(R"({})").find("machine"), std::string::npos);
    EXPECT_NE(complaint(R"({"machine": "pdp11"})").find("pdp11"), std::string::npos);
    EXPECT_NE(complaint(R"({"machine": "x86", "firmware": "coreboot"})").find("coreboot"),
              std::string::npos);
    EXPECT_NE(complaint(R"({"machine": "x86", "firmware": "dtb"})").find("no device tree"),
              std::string::npos);
    EXPECT_NE(complaint(R"({"machine": "x86", "type": "steam-engine"})").find("supported machines"),
              std::string::npos)
        << "QEMU's own words";
    EXPECT_NE(complaint(R"({"machine": "x86", "colour": 1})").find("colour"), std::string::npos);
    EXPECT_NE(complaint(R"({"machine": "x86", "memory_mib": "all"})").find("odd.json"),
              std::string::npos);
    EXPECT_NE(complaint(R"({"machine": "x86", "memory_mib": 4096})").find("4096"),
              std::string::npos);
    EXPECT_NE(complaint(R"({"machine": "x86", "qemu": "no-such-emulator"})")
                  .find("no-such-emulator: No such file"),
              std::string::npos);
    EXPECT_NE(complaint(R"({"machine": "x86", "devices": ["warp-drive"]})").find("warp-drive"),
              std::string::npos);
    EXPECT_NE(complaint(R"({"machine": "x86", "replace_tables": {"DMAR": "hex:xyz"}})")
                  .find("hexadecimal"),
              std::string::npos);
}

TEST(BoardDescription, SaysWhatIsWrongWithAnArmBoard) {
    EXPECT_EQ(complaint(R"({"machine": "arm"})"), "") << "a bare machine is one";
    EXPECT_EQ(complaint(R"({"machine": "arm", "firmware": "dtb", "memory_mib": 64})"), "");
    EXPECT_NE(complaint(R"({"machine": "arm", "devices": ["warp-drive"]})").find("warp-drive"),
              std::string::npos);
    EXPECT_NE(complaint(R"({"machine": "arm", "type": "virt,acpi=off"})").find("table-loader"),
              std::string::npos);
}

}  // namespace
}  // namespace smmu

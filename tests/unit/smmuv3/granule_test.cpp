// SPDX-License-Identifier: Apache-2.0
// Units of every granule, with either stage and every size of physical addresses: the smallest granule that a unit has is
// used, and what the driver writes for it is what such a unit takes.
#include "bench.hpp"

namespace smmu::units::smmuv3 {
namespace {

struct Shape {
    unsigned granule_log2, stage, output_code;  // of IDR5.OAS
    bool has_ranges = true;
};

std::string name_of(const testing::TestParamInfo<Shape>& info) {
    const Shape& shape = info.param;
    return std::to_string((1u << shape.granule_log2) / 1024) + "KStage" + std::to_string(shape.stage) + "Of" +
           std::to_string(silicon::Facts::sizes[shape.output_code]) + (shape.has_ranges ? "Bits" : "BitsByPage");
}

class Granules : public SmmuV3, public testing::WithParamInterface<Shape> {
protected:
    void SetUp() override {
        const Shape& shape = GetParam();
        unit.facts.only_granule(shape.granule_log2);
        unit.facts.idr5 = (unit.facts.idr5 & ~7u) | shape.output_code;
        if (shape.stage == 1) unit.facts.only_stage1();
        if (!shape.has_ranges) unit.facts.idr3 &= ~(1u << 10);
    }
    std::uint64_t block() const { return granule * (granule / 8); }
    // Where the nic arrives must be where it was mapped, or nowhere.
    void expect_identity(std::uint64_t address) {
        const std::uint64_t at = unit.dma(nic, address, true);
        EXPECT_TRUE(at == address || at == Unit::refused) << std::hex << address << " leads to " << at;
    }
};

TEST_P(Granules, PagesAndBlocksAreMappedTranslatedAndTakenAway) {
    contain();
    const Capabilities& can = driver->capabilities();
    EXPECT_EQ(can.granule_log2, GetParam().granule_log2);
    EXPECT_EQ(can.leaf_sizes & (granule | block()), granule | block());
    EXPECT_EQ(unit.dma(nic, 5 * granule + 0x10), 0x7000'0010u + 5 * granule);
    EXPECT_TRUE(refuses(nic, 4 * granule) && refuses(nic, 6 * granule) && refuses(disk, 5 * granule));

    ASSERT_TRUE(map(*space, block(), block(), block() + granule));
    for (const std::uint64_t at : {block(), block() + block() / 2 + 4, 2 * block() - 1, 2 * block() + granule - 1})
        EXPECT_EQ(unit.dma(nic, at, true), at);
    EXPECT_TRUE(refuses(nic, block() - 1) && refuses(nic, 2 * block() + granule));
    const std::uint64_t top = std::uint64_t{1} << can.input_bits;
    ASSERT_TRUE(map(*space, top - granule, granule, granule));
    EXPECT_EQ(unit.dma(nic, top - 1), 2 * granule - 1);
    EXPECT_EQ(map(*space, top, 0, granule).error().code, ERANGE);

    ASSERT_TRUE(unmap(*space, top - granule, granule));
    ASSERT_TRUE(unmap(*space, block(), block() + granule));
    for (const std::uint64_t at : {top - granule, block(), block() + block() / 2 + 4, 2 * block() - 1, 2 * block() + granule - 1})
        EXPECT_TRUE(refuses(nic, at)) << std::hex << at;
    EXPECT_EQ(unit.dma(nic, 5 * granule), 0x7000'0000u + 5 * granule);
}

TEST_P(Granules, LessThanAGranuleIsRefused) {
    contain();
    if (granule > page) {
        EXPECT_EQ(map(*space, 8 * granule + page, 8 * granule + page, page).error().code, EINVAL);
        EXPECT_EQ(map(*space, 8 * granule, 8 * granule + page, granule).error().code, EINVAL);
        EXPECT_EQ(unmap(*space, 5 * granule, page).error().code, EINVAL);
    }
    EXPECT_TRUE(refuses(nic, 8 * granule));
    EXPECT_EQ(unit.dma(nic, 5 * granule), 0x7000'0000u + 5 * granule);
}

// BBML lets newer units change a block into pages in place. Nobody relies on it: what is cut goes away, is forgotten, and
// comes back, and the device is refused meanwhile. The unit complains when it sees two sizes of one address.
TEST_P(Granules, ABlockIsCutByWayOfNothing) {
    contain();
    ASSERT_TRUE(map(*space, block(), block(), block()));
    const std::uint64_t cut = block() + block() / 2, stays = block() + granule;
    EXPECT_EQ(unit.dma(nic, stays), stays);
    bool was_refused = false;
    unit.after_write = [&] {
        was_refused = was_refused || unit.dma(nic, stays) == Unit::refused;
        for (const std::uint64_t at : {stays, cut, cut + granule, 2 * block() - 1}) expect_identity(at);
    };
    ASSERT_TRUE(unmap(*space, cut, granule));
    unit.after_write = nullptr;
    EXPECT_TRUE(was_refused);
    EXPECT_TRUE(refuses(nic, cut));
    for (const std::uint64_t at : {block(), stays, cut - 1, cut + granule, 2 * block() - 1}) EXPECT_EQ(unit.dma(nic, at), at);
}

// Tables of a killed instance are adopted in place: its DMA is refused at no write, and what was not granted again goes.
TEST_P(Granules, ASuccessorTakesTheTablesOver) {
    contain();
    ASSERT_TRUE(map(*space, block(), block(), block()));
    EXPECT_EQ(unit.dma(nic, block()), block());
    die();
    begin();
    open();
    const std::uint64_t granted = 5 * granule;
    unit.after_write = [&] { EXPECT_EQ(unit.dma(nic, granted), 0x7000'0000 + granted); };
    const auto taken = take_over();
    unit.after_write = nullptr;
    ASSERT_TRUE(taken) << taken.error().text;
    EXPECT_EQ(taken->found, Found::own);
    EXPECT_EQ(taken->pause.count(), 0);
    EXPECT_TRUE(refuses(nic, block()) && refuses(disk, granted) && refuses(stranger, granted));
    ASSERT_TRUE(driver->recheck());
}

INSTANTIATE_TEST_SUITE_P(Each, Granules,
                         testing::Values(Shape{12, 2, 0}, Shape{12, 2, 1}, Shape{12, 2, 2}, Shape{12, 2, 3}, Shape{12, 2, 4},
                                         Shape{12, 2, 5}, Shape{12, 1, 1}, Shape{12, 1, 4, false}, Shape{14, 2, 0},
                                         Shape{14, 2, 1}, Shape{14, 2, 2}, Shape{14, 2, 3, false}, Shape{14, 2, 4},
                                         Shape{14, 2, 5}, Shape{14, 1, 1, false}, Shape{14, 1, 4}, Shape{16, 2, 0},
                                         Shape{16, 2, 1}, Shape{16, 2, 2}, Shape{16, 2, 3}, Shape{16, 2, 4, false},
                                         Shape{16, 2, 5}, Shape{16, 1, 1}, Shape{16, 1, 4, false}),
                         name_of);

TEST_F(SmmuV3, TheSmallestGranuleIsUsed) {
    unit.facts.idr5 = 0x64;  // 16 and 64 KiB
    contain();
    EXPECT_EQ(driver->capabilities().granule_log2, 14u);
    EXPECT_NE(driver->report().mode.find("of 16 KiB"), std::string::npos) << driver->report().mode;
}

TEST_F(SmmuV3, AUnitWithoutAnyGranuleIsNotUsed) {
    unit.facts.idr5 = 0x04;
    silicon::Forwarding registers(unit);
    const auto features = Features::read(hw::Registers(registers), "unit");
    ASSERT_FALSE(features);
    EXPECT_EQ(features.error().code, ENOTSUP);
    EXPECT_TRUE(unit.writes.empty());
}

}  // namespace
}  // namespace smmu::units::smmuv3

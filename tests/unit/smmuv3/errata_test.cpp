// SPDX-License-Identifier: Apache-2.0
// Errata of real parts, which the unit knows by its IIDR: on none of them does what the driver asks for go wrong.
#include "bench.hpp"

namespace smmu::units::smmuv3 {
namespace {

struct Part {
    const char* name;
    std::uint32_t product, variant, revision;  // rVpR
};

class Errata : public SmmuV3, public testing::WithParamInterface<Part> {
protected:
    void SetUp() override {
        const Part& part = GetParam();
        unit.facts.iidr = part.product << 20 | part.variant << 16 | part.revision << 12 | 0x43b;
        unit.facts.idr0 |= 1 << 5 | 1 << 14;  // BTM, SEV
        unit.facts.idr3 &= ~(1u << 10);       // no ranges: many commands
    }
};

TEST_P(Errata, AreNotMet) {
    contain();
    ASSERT_TRUE(map(*space, 0x4000'0000, 0x4000'1000, 64 * page));
    EXPECT_EQ(unit.dma(nic, 0x4000'0000 + 63 * page), 0x4000'0000u + 64 * page);
    ASSERT_TRUE(unmap(*space, 0x4000'0000, 64 * page)) << "64 commands, which some parts want no row of";
    EXPECT_TRUE(refuses(nic, 0x4000'0000 + 63 * page));
    ASSERT_TRUE(driver->block(StreamId{nic}, Recording::on));
    ASSERT_TRUE(driver->attach(StreamId{nic}, *space));
    ASSERT_TRUE(driver->leave({}));
    EXPECT_EQ(driver->state(), UnitState::containing);
    EXPECT_FALSE(unit.is_hung());
}

INSTANTIATE_TEST_SUITE_P(Parts, Errata,
                         testing::Values(Part{"Mmu600r0p0", 0x483, 0, 0}, Part{"Mmu600r1p0", 0x483, 1, 0},
                                         Part{"Mmu700r0p0", 0x487, 0, 0}, Part{"Mmu700r1p0", 0x487, 1, 0},
                                         Part{"Mmu700r1p1", 0x487, 1, 1}, Part{"MmuL1", 0x48a, 0, 0}, Part{"MmuS3", 0x498, 0, 0}),
                         [](const auto& part) { return std::string(part.param.name); });

}  // namespace
}  // namespace smmu::units::smmuv3

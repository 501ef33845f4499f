// SPDX-License-Identifier: Apache-2.0
// Fault recording: registers in turn, overflow, what a driver clears, what is not recorded.
#include "tests/models/vtd/bench.hpp"

namespace smmu::model::vtd {
namespace {

class Faults : public Bench {
protected:
    void start(unsigned registers, bool collapses = false) {
        boot({.fault_registers = registers}, {.collapses_faults = collapses});
        set_context(id_a, new_table(), 1);
        enable();
    }
    void stray(DmaDevice& device, std::uint64_t page) { EXPECT_FALSE(writes(device, page, page)); }
    static constexpr std::uint64_t somewhere = 0x900000;
    static constexpr std::uint32_t overflow = 1, pending = 2;
};

TEST_F(Faults, RegistersAreFilledInTurnAndOverflow) {
    start(3);
    EXPECT_EQ(fault_status(), 0u);
    for (std::uint64_t i = 0; i < 3; ++i) stray(a(), somewhere + i * 4096);
    for (unsigned i = 0; i < 3; ++i) EXPECT_EQ(fault(i)->page, somewhere + i * 4096);
    EXPECT_EQ(fault_status(), pending);
    stray(a(), somewhere + 3 * 4096);
    EXPECT_EQ(fault_status(), pending | overflow);
    clear_fault(0);
    stray(a(), somewhere);
    EXPECT_EQ(fault(0), std::nullopt) << "nothing is recorded before the overflow is cleared";
    unit().write(reg::fsts, 4, overflow);
    stray(a(), somewhere + 4 * 4096);
    EXPECT_EQ(fault(0)->page, somewhere + 4 * 4096);
}

TEST_F(Faults, TheIndexIsThatOfTheOldestPendingOne) {
    start(4);
    for (std::uint64_t i = 0; i < 3; ++i) stray(a(), somewhere + i * 4096);
    EXPECT_EQ(fault_status(), pending);
    clear_fault(0);
    EXPECT_EQ(fault_status(), pending | 1u << 8);
    clear_fault(1);
    clear_fault(2);
    EXPECT_EQ(fault_status(), 0u);
    stray(a(), somewhere);
    EXPECT_EQ(fault_status(), pending | 3u << 8);
    stray(a(), somewhere);
    EXPECT_NE(fault(0), std::nullopt) << "around the end";
}

TEST_F(Faults, OnlyTheTopBitClearsARecord) {
    start(1);
    stray(a(), somewhere);
    unit().write(0x200 + 12, 4, 0x7fffffff);
    unit().write(0x200, 4, ~0u);
    EXPECT_NE(fault(0), std::nullopt);
    unit().write(0x200 + 8, 8, 1ull << 63);
    EXPECT_EQ(fault(0), std::nullopt);
}

TEST_F(Faults, FaultsOfOneSourceMayCollapse) {
    start(4, true);
    stray(a(), somewhere);
    stray(a(), somewhere + 4096);
    stray(b(), somewhere);
    EXPECT_EQ(fault(1)->source, unsigned(id_b));
    EXPECT_EQ(fault(2), std::nullopt);
}

TEST_F(Faults, AStormIsOneRegisterWrite) {
    start(8);
    a().write(0xb0, 8, somewhere);
    a().write(0xb8, 8, 5);
    EXPECT_NE(fault(4), std::nullopt);
    EXPECT_EQ(fault(5), std::nullopt);
    EXPECT_EQ(a().read(0xc8, 8), 5u);
}

TEST_F(Faults, DisabledRecordingHoldsForQualifiedFaultsOnly) {
    start(4);
    set_context(id_b, new_table(), 2);
    clear_context(id_b, true);
    stray(b(), somewhere);
    EXPECT_EQ(fault(0), std::nullopt);
    stray(machine->device(1, 0), somewhere);  // no root entry: cannot be suppressed
    EXPECT_EQ(fault(0)->reason, 1u);
}

TEST_F(Faults, TheRecordIndexRestartsWhenTranslationIsOff) {
    start(4);
    stray(a(), somewhere);
    clear_fault(0);
    command(gcmd::translation, false);
    command(gcmd::translation);
    stray(a(), somewhere);
    EXPECT_NE(fault(0), std::nullopt);
}

}  // namespace
}  // namespace smmu::model::vtd

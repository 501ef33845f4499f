// SPDX-License-Identifier: Apache-2.0
// What a refusal leaves behind, and what the device hears of it.
#include "tests/models/mmu500/bench.hpp"

namespace smmu::model::mmu500 {
namespace {

class Faults : public Bench {
protected:
    std::uint32_t reason(unsigned bank) {
        return std::uint32_t(in_bank(bank, cb::fsr)) & fsr::any_fault;
    }
    unsigned level(unsigned bank) { return unsigned(in_bank(bank, cb::fsynr0) & 3); }
    void clear(unsigned bank) { set_bank(bank, cb::fsr, in_bank(bank, cb::fsr)); }
};

TEST_F(Faults, UnidentifiedStream) {
    start();
    EXPECT_FALSE(writes(0x1234567890, memory_a, 2));
    EXPECT_EQ(global(gr0::sgfsr), sgfsr::usf);
    EXPECT_EQ(global(gr0::sgfsynr0), 2u) << "a write";
    EXPECT_EQ(global(gr0::sgfsynr1), 8u);
    EXPECT_EQ(unit().read(gr0::sgfar, 8), 0x1234567890u);
    EXPECT_TRUE(unit().global_interrupt());
    EXPECT_FALSE(reads(memory_b, memory_b, 0));
    EXPECT_EQ(global(gr0::sgfsr), sgfsr::usf | sgfsr::multi);
    EXPECT_EQ(global(gr0::sgfsynr1), 8u) << "the first one stays";
    set_global(gr0::sgfsr, global(gr0::sgfsr));
    EXPECT_EQ(global(gr0::sgfsr), 0u);
    EXPECT_FALSE(unit().global_interrupt());
    EXPECT_FALSE(reads(memory_b, memory_b, 0));
    EXPECT_EQ(global(gr0::sgfsynr0), 0u);
    EXPECT_EQ(global(gr0::sgfsynr1), 1u);
}

TEST_F(Faults, StreamsThatAreToFault) {
    start();
    set_global(gr0::smr, 1u << 31 | 1);
    EXPECT_FALSE(writes(memory_a, memory_a));
    EXPECT_EQ(global(gr0::sgfsr), sgfsr::icf);
}

TEST_F(Faults, WithoutGfreTheDeviceHearsNothing) {
    start();
    set_global(gr0::scr0, run & ~scr0::gfre);
    EXPECT_FALSE(writes(memory_a, memory_a));
    EXPECT_FALSE(reads(memory_a, memory_a));
    EXPECT_EQ(engine().read(0xa8, 8), 0u);
    EXPECT_EQ(global(gr0::sgfsr), sgfsr::usf | sgfsr::multi);
}

TEST_F(Faults, TranslationOfEachLevel) {
    start_second();
    struct Case {
        std::uint64_t address;
        unsigned level;
    };
    for (const Case& one :
         {Case{0, 1}, {iova + (2u << 20), 2}, {iova + 0x1000, 3}, {1ull << 40, 0}}) {
        EXPECT_FALSE(writes(one.address, memory_a));
        EXPECT_EQ(reason(0), fsr::tf) << std::hex << one.address;
        EXPECT_EQ(level(0), one.level) << std::hex << one.address;
        EXPECT_EQ(in_bank(0, cb::far), one.address);
        EXPECT_EQ(in_bank(0, cb::ipafar), one.address);
        EXPECT_EQ(in_bank(0, cb::fsynr0) & fsynr0::wnr, fsynr0::wnr);
        EXPECT_EQ(stream_of_fault(0), 1u);
        EXPECT_TRUE(unit().interrupt(0));
        clear(0);
        EXPECT_FALSE(unit().interrupt(0));
    }
}

TEST_F(Faults, PermissionSaysWhichWay) {
    start_second();
    map(root, iova, memory_a, s2_base | s2_write);
    EXPECT_FALSE(reads(iova, memory_a));
    EXPECT_EQ(reason(0), fsr::pf);
    EXPECT_EQ(level(0), 3u);
    EXPECT_EQ(in_bank(0, cb::fsynr0) & fsynr0::wnr, 0u);
}

TEST_F(Faults, AccessFlag) {
    start_first();
    map(root, iova, memory_a, s1_rw & ~(1ull << 10));
    EXPECT_FALSE(reads(iova, memory_a));
    EXPECT_EQ(reason(first_bank), fsr::aff);
    set_bank(first_bank, cb::sctlr, on | sctlr::affd);
    EXPECT_TRUE(reads(iova, memory_a));
}

TEST_F(Faults, AddressSize) {
    start_second();
    map(root, iova, 1ull << 44, s2_rw);
    EXPECT_FALSE(reads(iova, memory_a));
    EXPECT_EQ(reason(0), fsr::asf);
    expect_complaint("beyond 40 bits");
}

TEST_F(Faults, ATableOutsideMemory) {
    start_second();
    store(root + 8, 0x10000000 | 3);
    EXPECT_FALSE(reads(0x40000000, memory_a));
    EXPECT_EQ(reason(0), fsr::ef);
    EXPECT_EQ(in_bank(0, cb::fsynr0) & fsynr0::ptwf, fsynr0::ptwf);
    expect_complaint("outside RAM");
}

TEST_F(Faults, FurtherOnesAreCountedAsMulti) {
    start_second();
    EXPECT_FALSE(writes(0x1000, memory_a));
    EXPECT_FALSE(reads(0x2000, memory_a));
    EXPECT_EQ(in_bank(0, cb::fsr) & fsr::multi, fsr::multi);
    EXPECT_EQ(in_bank(0, cb::far), 0x1000u);
    EXPECT_TRUE(writes(iova, memory_a)) << "HUPCF: others go on";
}

TEST_F(Faults, WithoutHupcfTheBankStandsStill) {
    start_second();
    set_bank(0, cb::sctlr, on & ~sctlr::hupcf);
    EXPECT_FALSE(writes(0x1000, memory_a));
    EXPECT_FALSE(writes(iova, memory_a));
    clear(0);
    EXPECT_TRUE(writes(iova, memory_a));
}

TEST_F(Faults, WithoutCfreTheDeviceHearsNothing) {
    start_second();
    set_bank(0, cb::sctlr, on & ~sctlr::cfre);
    EXPECT_FALSE(writes(0x1000, memory_a));
    EXPECT_EQ(engine().read(0xa8, 8), 0u);
    EXPECT_EQ(reason(0), fsr::tf);
}

TEST_F(Faults, StalledAndRetried) {
    start_second();
    set_bank(0, cb::sctlr, on | sctlr::cfcfg);
    EXPECT_FALSE(writes(iova + 0x1000, memory_b));
    EXPECT_EQ(engine().read(0xa8, 8), 2u);
    EXPECT_EQ(in_bank(0, cb::fsr) & fsr::ss, fsr::ss);
    map(root, iova + 0x1000, memory_b, s2_rw);
    set_bank(0, cb::fsr, 0xffffffff);
    set_bank(0, cb::resume, 0);
    EXPECT_EQ(load(memory_b), mark);
    EXPECT_EQ(engine().read(0xa8, 8), 0u);
    EXPECT_EQ(in_bank(0, cb::fsr), 0u);
}

TEST_F(Faults, StalledAndTerminated) {
    start_second();
    set_bank(0, cb::sctlr, on | sctlr::cfcfg);
    EXPECT_FALSE(writes(iova + 0x1000, memory_b));
    set_bank(0, cb::fsr, 0xffffffff);
    set_bank(0, cb::resume, 1);
    EXPECT_EQ(engine().read(0xa8, 8), 1u);
    EXPECT_NE(load(memory_b), mark);
}

TEST_F(Faults, ConflictsThatAreDetected) {
    start({.conflict_detection = true});
    set_global(gr0::scr0, run | scr0::smcfcfg);
    root = new_table(2);
    set_second(0, root);
    lead(0, 1, 0);
    lead(1, 1, 0);
    EXPECT_FALSE(writes(iova, memory_a));
    EXPECT_EQ(global(gr0::sgfsr), sgfsr::smcf);
    expect_complaint("matches several SMRs");
}

TEST_F(Faults, ABankThatIsNotThere) {
    start();
    lead(0, 1, 100);
    EXPECT_FALSE(writes(iova, memory_a));
    EXPECT_EQ(global(gr0::sgfsr), sgfsr::ucbf);
    expect_complaint("bank 100, which is not there");
}

}  // namespace
}  // namespace smmu::model::mmu500

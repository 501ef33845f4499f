// SPDX-License-Identifier: Apache-2.0
// Each complaint can be provoked.
#include "tests/models/mmu500/bench.hpp"

namespace smmu::model::mmu500 {
namespace {

class Complaint : public Bench {
protected:
    // A bank of stage 2 whose TCR is this.
    void second_with(std::uint32_t tcr, Features features = {}) {
        start(features);
        root = new_table(2);
        map(root, iova, memory_a, s2_rw);
        set_second(0, root, tcr);
        lead(0, 1, 0);
    }
    void leaf(std::uint64_t bits) {
        start_second();
        store(entry, memory_a | bits);
        reads(iova, memory_a);
    }
};

TEST_F(Complaint, TwoThatMatch) {
    start_second();
    lead(1, 0, 0, 3);
    expect_complaint("SMR 0 and SMR 1 match the same streams");
    writes(iova, memory_a);
    expect_complaint("StreamID 0x1 matches several SMRs");
}

TEST_F(Complaint, GroupsThatAreDisjointOrInvalidAreFine) {
    start_second();
    lead(1, 0x10, 0, 0xf);
    lead(2, 0x20, 0, 0xf);
    set_global(gr0::smr + 4, 0);
    lead(3, 0x11, 0);
}

TEST_F(Complaint, LiveChanges) {
    start_second();
    set_bank(0, cb::ttbr0, root);
    EXPECT_THAT(machine->complaints().all(), testing::IsEmpty()) << "the same value";
    set_bank(0, cb::ttbr0, new_table(2));
    expect_complaint("bank 0: TTBR0 is changed while");
    set_bank(0, cb::tcr, tcr_s2 + 1);
    expect_complaint("bank 0: TCR is changed while");
    set_bank(0, cb::mair0, 0);
    set_bank(0, cb::mair0, 4);
    expect_complaint("bank 0: MAIR is changed while");
    set_global1(gr1::cbar, 9);
    expect_complaint("bank 0: CBAR is changed while");
    set_global1(gr1::cba2r, 0);
    expect_complaint("bank 0: CBA2R is changed while");
    set_global(gr0::smr, 1u << 31 | 5);
    expect_complaint("SMR 0 is changed while it is valid");
}

TEST_F(Complaint, ABankIsSwitchedOffUnderItsStreams) {
    start_second();
    set_bank(0, cb::sctlr, 0);
    expect_complaint("bank 0 stops translating while streams lead to it");
}

TEST_F(Complaint, ABankIsSwitchedOffBehindItsStreams) {
    start_second();
    set_global(gr0::s2cr, 2 << 16);
    set_global(gr0::smr, 0);
    set_bank(0, cb::sctlr, 0);
}

TEST_F(Complaint, InvalidationsThatAreNotSynchronised) {
    start_second();
    set_bank(0, cb::tlbiipas2l, 0);
    lead(1, 2, 0);
    expect_complaint("an S2CR leads to a bank before an invalidation of bank 0 was synchronised");
    expect_complaint("an SMR becomes valid before");
    set_bank(0, cb::tlbsync, 0);
    set_bank(0, cb::tlbsync, 0);
    expect_complaint("TLBSYNC is written before the last one ended");
    set_global(gr0::tlbivmid, 1);
    lead(2, 8, 0);
    expect_complaint("before a global invalidation was synchronised");
    set_global(gr0::stlbgsync, 0);
    set_global(gr0::stlbgsync, 0);
    expect_complaint("sTLBGSYNC is written before");
}

TEST_F(Complaint, OpeningBeforeTheSyncEnded) {
    start({}, {.sync_delay = 2});
    set_bank(0, cb::tlbiall, 0);
    set_bank(0, cb::tlbsync, 0);
    lead(0, 1, 0);
    expect_complaint("before an invalidation of bank 0 was synchronised");
}

TEST_F(Complaint, EverythingInvalidatedMakesUpForWhatADeadDriverLeft) {
    start_second();
    set_bank(0, cb::tlbiipas2l, 0);
    set_global(gr0::tlbiallnsnh, 0);
    synchronise();
    lead(1, 2, 0);
}

TEST_F(Complaint, ALeafReplacedWithoutABreak) {
    start_second();
    EXPECT_TRUE(writes(iova, memory_a));
    map(root, iova, memory_b, s2_rw);
    EXPECT_TRUE(writes(iova, memory_a));
    expect_complaint("the leaf for 0x40000000 was replaced without break-before-make");
}

TEST_F(Complaint, ABlockSplitWithoutABreak) {
    start_second();
    const std::uint64_t block = iova + (2u << 20);
    const std::uint64_t at = map(root, block, memory_b, s2_rw, 2);
    EXPECT_TRUE(writes(block, memory_b));
    const std::uint64_t pages = new_table();
    for (unsigned i = 0; i < 512; ++i)
        store(pages + i * 8, (memory_b + i * 4096) | s2_rw | page_bits);
    store(at, pages | 3);
    EXPECT_TRUE(writes(block, memory_b));
    expect_complaint("break-before-make");
}

TEST_F(Complaint, ASplitWithABreakIsFine) {
    start_second();
    const std::uint64_t block = iova + (2u << 20);
    const std::uint64_t at = map(root, block, memory_b, s2_rw, 2);
    EXPECT_TRUE(writes(block, memory_b));
    store(at, 0);
    EXPECT_TRUE(writes(block, memory_b));
    forget_page(0, block);
    EXPECT_FALSE(writes(block, memory_b));
    const std::uint64_t pages = new_table();
    store(pages, memory_b | s2_rw | page_bits);
    store(at, pages | 3);
    EXPECT_TRUE(writes(block, memory_b));
}

TEST_F(Complaint, Roots) {
    start();
    root = new_table(2) + 4096;
    set_second(0, root);
    expect_complaint("is not aligned to its 8192 bytes");
    start({.output_bits = 40});
    set_second(0, 1ull << 40);
    expect_complaint("is beyond 40 bits");
}

TEST_F(Complaint, Geometries) {
    struct Case {
        std::uint32_t tcr;
        const char* words;
    };
    constexpr std::uint32_t bare = 1u << 31 | 3 << 12;
    for (const Case& one : {Case{bare | 2 << 16 | 1 << 6 | 15, "T0SZ 15 is out of range"},
                            {bare | 2 << 16 | 1 << 6 | 40, "T0SZ 40 is out of range"},
                            {bare | 2 << 16 | 3 << 6 | 24, "SL0 3 is reserved"},
                            {bare | 2 << 16 | 3 << 14 | 24, "granule 3 of TCR"},
                            {bare | 5 << 16 | 1 << 6 | 16, "48 bits cannot start at level 1"},
                            {bare | 2 << 16 | 2 << 6 | 25, "39 bits cannot start at level 0"},
                            {bare | 1 << 16 | 1 << 6 | 24, "more than PS has"},
                            {bare | 6 << 16 | 1 << 6 | 24, "PS 6 of TCR is reserved"},
                            {bare | 1 << 19 | 2 << 16 | 1 << 6 | 24, "reserved bits of TCR"},
                            {1u << 31 | 1 << 12 | 2 << 16 | 1 << 6 | 24, "reserved shareability"},
                            {3 << 12 | 2 << 16 | 1 << 6 | 24, "bit 31 of a stage-2 TCR"}}) {
        second_with(one.tcr);
        expect_complaint(one.words);
    }
    second_with(bare | 2 << 16 | 2 << 6 | 24, {.output_bits = 40});
    expect_complaint("40 bits cannot start at level 0");
    second_with(tcr_s2, {.coherent = false});
    expect_complaint("walks are cacheable in TCR, and not coherent");
    second_with(tcr_s2, {.granule_4k = false});
    expect_complaint("granule 0 of TCR is reserved or not implemented");
}

TEST_F(Complaint, FirstStages) {
    start();
    set_first(first_bank, new_table(), tcr_s1 & ~(1u << 23));
    expect_complaint("EPD1 is clear");
    start();
    set_bank(first_bank, cb::tcr2, 5);
    set_first(first_bank, new_table() | 0x100ull << 48);
    set_bank(first_bank, cb::sctlr, 0);
    set_bank(first_bank, cb::tcr2, 6);
    set_bank(first_bank, cb::mair0, 0x0400f0);
    set_bank(first_bank, cb::sctlr, on);
    expect_complaint("MAIR holds 0xf0");
    expect_complaint("PASize 6");
    expect_complaint("has more than 8 bits");
}

TEST_F(Complaint, Leaves) {
    struct Case {
        std::uint64_t bits;
        const char* words;
    };
    for (const Case& one :
         {Case{s2_rw | block_bits, "a reserved descriptor of level 3"},
          {(s2_rw & ~0x300ull) | 1 << 8 | page_bits, "reserved shareability of a leaf"},
          {(s2_rw & ~0x3cull) | 4 << 2 | page_bits, "reserved memory type"},
          {s2_rw | 1 << 11 | page_bits, "bit 11 of a stage-2 leaf"},
          {s2_rw | 1ull << 49 | page_bits, "reserved address bits of a leaf"},
          {s2_rw | 1ull << 52 | page_bits, "contiguous hint"}}) {
        leaf(one.bits);
        expect_complaint(one.words);
    }
    start_second();
    store(root + (iova >> 30) * 8, load(root + (iova >> 30) * 8) | 1ull << 60);
    reads(iova, memory_a);
    expect_complaint("reserved bits of a table descriptor of level 1");
    start_second();
    map(root, 0x80000000, 0x80100000, s2_rw, 1);
    reads(0x80000000, memory_a);
    expect_complaint("reserved address bits of a leaf of level 1");
}

TEST_F(Complaint, OneTagForTwoSpaces) {
    start_second();
    EXPECT_TRUE(writes(iova, memory_a));
    const std::uint64_t other = new_table(2);
    map(other, iova, memory_b, s2_rw);
    set_global1(gr1::cba2r + 4, 1);
    set_global1(gr1::cbar + 4, 1);
    set_bank(1, cb::tcr, tcr_s2);
    set_bank(1, cb::ttbr0, other);
    set_bank(1, cb::sctlr, on);
    expect_complaint("M is set while translations of other tables have its VMID");
    lead(1, 2, 1);
    EXPECT_FALSE(writes(iova, memory_b, 1)) << "goes to the other's page";
    expect_complaint("VMID 1 and ASID 0x10000 name translations of another table");
}

TEST_F(Complaint, BanksThatAreNotSetUp) {
    start();
    set_global1(gr1::cba2r, 1);
    set_bank(0, cb::sctlr, on);
    expect_complaint("bank 0: M is set before TCR was written");
    expect_complaint("bank 0: M is set before TTBR0 was written");
    start();
    set_bank(0, cb::ttbr0, new_table(2));
    set_bank(0, cb::tcr, tcr_s2);
    set_bank(0, cb::sctlr, on);
    expect_complaint("before TTBR0 was written");
    expect_complaint("AArch32 tables");
}

TEST_F(Complaint, KindsOfBanks) {
    start();
    set_global1(gr1::cbar, 1 << 16);
    expect_complaint("CBAR 0 has type 1");
    start({.stage2 = false, .nested = false, .stage2_banks = 0});
    set_global1(gr1::cbar, 1);
    expect_complaint("CBAR 0 has type 0");
    start({.nested = false});
    set_global1(gr1::cbar + 4 * first_bank, 3 << 16);
    expect_complaint("CBAR 4 has type 3");
}

TEST_F(Complaint, InvalidationsOfTheOtherStage) {
    start_second();
    set_bank(0, cb::tlbival, 0);
    expect_complaint("bank 0: an invalidation at 0x620, of the other stage");
    start_first();
    set_bank(first_bank, cb::tlbiipas2, 0);
    expect_complaint("bank 4: an invalidation at 0x630, of the other stage");
}

TEST_F(Complaint, OperandsOfInvalidations) {
    start_first();
    set_bank(first_bank, cb::tlbival, 1ull << 44);
    expect_complaint("reserved bits of an invalidation");
    set_bank(first_bank, cb::tlbiasid, 1 << 16);
    expect_complaint("reserved bits of TLBIASID");
    set_global(gr0::tlbivmid, 0x100);
    expect_complaint("reserved bits of TLBIVMID");
    unit().write(bank_at(first_bank) + cb::tlbival, 4, 0);
    expect_complaint("without its upper half");
}

TEST_F(Complaint, MatchRegisters) {
    boot();
    set_global(gr0::smr, 1u << 31 | 1);
    set_global(gr0::scr0, run);
    expect_complaint("translation begins and S2CR 0 was never written");
    start();
    set_global(gr0::s2cr, 3 << 16);
    expect_complaint("reserved type 3");
    set_global(gr0::s2cr, 1 << 10 | 2 << 16);
    expect_complaint("EXIDVALID without extended ids");
    set_global(gr0::s2cr + 4 * 40, 2 << 16);
    expect_complaint("stream group 40, which is not there");
    start({.stream_bits = 8});
    set_global(gr0::smr, 1u << 31 | 0x100);
    expect_complaint("bits that are not implemented");
    start({.stream_matching = false, .stream_bits = 5});
    set_global(gr0::smr, 0);
    expect_complaint("a unit that indexes");
}

TEST_F(Complaint, GlobalControl) {
    start();
    set_global(gr0::scr0, run | scr0::vmid16en | scr0::exidenable);
    expect_complaint("without 16-bit VMIDs");
    expect_complaint("without extended ids");
    set_global(gr0::scr0, run | 1 << 13);
    expect_complaint("forces broadcasts");
    set_global(gr0::scr0, run | scr0::clientpd);
    expect_complaint("CLIENTPD is set");
}

TEST_F(Complaint, Prefetching) {
    boot();
    set_bank(0, cb::actlr, 0);
    expect_complaint("ACTLR is written while sACR.CACHE_LOCK is set");
    EXPECT_EQ(in_bank(0, cb::actlr), 3u);
    start();
    set_bank(0, cb::actlr, 3);
    set_second(0, new_table(2));
    expect_complaint("M is set with prefetching on");
}

TEST_F(Complaint, Accesses) {
    start();
    unit().write(0, 8, run);
    expect_complaint("a 64-bit write to the 32-bit register at 0x0");
    set_bank(20, cb::sctlr, 0);
    expect_complaint("bank 20, which is not there");
    set_bank(0, 0x100, 1);
    expect_complaint("bank 0: a write of 0x1 to 0x100");
    set_bank(0, cb::resume, 0);
    expect_complaint("nothing is stalled");
    set_bank(0, cb::sctlr, 1u << 30);
    expect_complaint("reserved bits of SCTLR");
}

}  // namespace
}  // namespace smmu::model::mmu500

// SPDX-License-Identifier: Apache-2.0
// What is remembered, and what makes it go.
#include "tests/models/mmu500/bench.hpp"

namespace smmu::model::mmu500 {
namespace {

class Remembered : public Bench {};

TEST_F(Remembered, ALeafStaysUntilItIsNamedAndSynchronised) {
    start_second();
    EXPECT_TRUE(writes(iova, memory_a));
    store(entry, 0);
    EXPECT_TRUE(writes(iova, memory_a)) << "stale";
    forget_page(0, iova + 0x1000);
    EXPECT_TRUE(writes(iova, memory_a)) << "another page";
    set_bank(0, cb::tlbiipas2l, iova >> 12);
    EXPECT_TRUE(writes(iova, memory_a)) << "not synchronised";
    synchronise(0);
    EXPECT_FALSE(writes(iova, memory_a));
}

TEST_F(Remembered, AbsenceIsNot) {
    start_second();
    EXPECT_FALSE(writes(iova + 0x1000, memory_b));
    map(root, iova + 0x1000, memory_b, s2_rw);
    EXPECT_TRUE(writes(iova + 0x1000, memory_b));
}

TEST_F(Remembered, PermissionsToo) {
    start_second();
    EXPECT_TRUE(writes(iova, memory_a));
    map(root, iova, memory_a, s2_base | s2_read);
    EXPECT_TRUE(writes(iova, memory_a));
    forget_page(0, iova);
    EXPECT_FALSE(writes(iova, memory_a));
    EXPECT_TRUE(reads(iova, memory_a));
}

TEST_F(Remembered, TablesStayWhenOnlyLeavesAreNamed) {
    start_second();
    EXPECT_TRUE(writes(iova, memory_a));
    store(root + (iova >> 30) * 8, 0);
    forget_page(0, iova, cb::tlbiipas2l);
    EXPECT_TRUE(writes(iova, memory_a)) << "by the remembered tables";
    forget_page(0, iova, cb::tlbiipas2);
    EXPECT_FALSE(writes(iova, memory_a));
}

TEST_F(Remembered, ABlockGoesByAnyOfItsAddresses) {
    start_second();
    const std::uint64_t block = iova + (2u << 20);
    const std::uint64_t at = map(root, block, memory_b, s2_rw, 2);
    EXPECT_TRUE(writes(block, memory_b));
    store(at, 0);
    EXPECT_TRUE(writes(block + 0x1000, memory_b + 0x1000));
    forget_page(0, block + 0x7000);
    EXPECT_FALSE(writes(block, memory_b));
}

TEST_F(Remembered, VmidAndEverything) {
    for (const unsigned how : {gr0::tlbivmid, gr0::tlbiallnsnh}) {
        start_second();
        EXPECT_TRUE(writes(iova, memory_a));
        store(entry, 0);
        set_global(gr0::tlbivmid, 7);
        synchronise();
        EXPECT_TRUE(writes(iova, memory_a)) << "another VMID";
        set_global(how, 1);
        EXPECT_TRUE(writes(iova, memory_a)) << "not synchronised";
        synchronise();
        EXPECT_FALSE(writes(iova, memory_a));
    }
}

TEST_F(Remembered, FirstStageByAddressAndAsid) {
    start_first();
    EXPECT_TRUE(writes(iova, memory_a));
    store(entry, 0);
    set_bank(first_bank, cb::tlbival, 9ull << 48 | iova >> 12);
    synchronise(first_bank);
    EXPECT_TRUE(writes(iova, memory_a)) << "another ASID";
    set_bank(first_bank, cb::tlbival, std::uint64_t{first_bank} << 48 | iova >> 12);
    synchronise(first_bank);
    EXPECT_FALSE(writes(iova, memory_a));
    store(entry, memory_a | s1_rw | page_bits);
    EXPECT_TRUE(writes(iova, memory_a));
    store(entry, 0);
    set_bank(first_bank, cb::tlbiasid, first_bank);
    synchronise(first_bank);
    EXPECT_FALSE(writes(iova, memory_a));
}

TEST_F(Remembered, GlobalPagesOutliveTheirAsid) {
    start_first();
    map(root, iova, memory_a, s1_rw & ~(1ull << 11));
    EXPECT_TRUE(writes(iova, memory_a));
    store(entry, 0);
    set_bank(first_bank, cb::tlbiasid, first_bank);
    synchronise(first_bank);
    EXPECT_TRUE(writes(iova, memory_a));
    set_bank(first_bank, cb::tlbivaal, iova >> 12);
    synchronise(first_bank);
    EXPECT_FALSE(writes(iova, memory_a));
}

TEST_F(Remembered, OperandsInTwoHalves) {
    start_second({}, {.no_wide_access = true});
    expect_no_complaint = false;  // the bench's own 64-bit accesses
    EXPECT_TRUE(writes(iova, memory_a));
    store(entry, 0);
    unit().write(bank_at(0) + cb::tlbiipas2l + 4, 4, 0);
    unit().write(bank_at(0) + cb::tlbiipas2l, 4, iova >> 12);
    synchronise(0);
    EXPECT_FALSE(writes(iova, memory_a));
}

TEST_F(Remembered, ASyncMayTakeLongOrNeverEnd) {
    start_second({}, {.sync_delay = 3});
    EXPECT_TRUE(writes(iova, memory_a));
    store(entry, 0);
    set_bank(0, cb::tlbiipas2l, iova >> 12);
    set_bank(0, cb::tlbsync, 0);
    for (int i = 0; i < 3; ++i) EXPECT_EQ(in_bank(0, cb::tlbstatus), 1u);
    EXPECT_TRUE(writes(iova, memory_a));
    EXPECT_EQ(in_bank(0, cb::tlbstatus), 0u);
    EXPECT_FALSE(writes(iova, memory_a));
    boot({}, {.never_syncs = true});
    set_global(gr0::stlbgsync, 0);
    for (int i = 0; i < 1000; ++i) EXPECT_EQ(global(gr0::stlbgstatus), 1u);
}

// Erratum 841119: what was prefetched outlives an invalidation by address.
TEST_F(Remembered, PrefetchedPagesOutliveInvalidations) {
    start_second({}, {.cache_locked = true});
    const std::uint64_t next = map(root, iova + 0x1000, memory_b, s2_rw);
    EXPECT_TRUE(writes(iova, memory_a));
    store(next, 0);
    forget_page(0, iova + 0x1000);
    EXPECT_TRUE(writes(iova + 0x1000, memory_b));
    set_global(gr0::tlbivmid, 1);
    synchronise();
    EXPECT_FALSE(writes(iova + 0x1000, memory_b));
}

TEST_F(Remembered, WalksThatAreNotCoherentSeeWhatWasCleaned) {
    start({.coherent = false}, {.sees_cleaning = true});
    root = new_table(2);
    map(root, iova, memory_a, s2_rw);
    unit().clean({{tables_base}, {free_table - 1}});
    const std::uint64_t further = map(root, iova + 0x1000, memory_b, s2_rw);
    set_second(0, root, tcr_s2 & ~0xf00u);
    lead(0, 1, 0);
    EXPECT_TRUE(writes(iova, memory_a));
    EXPECT_FALSE(writes(iova + 0x1000, memory_b));
    expect_complaint("never cleaned");
    unit().clean({{further}, {further + 7}});
    EXPECT_TRUE(writes(iova + 0x1000, memory_b));
}

}  // namespace
}  // namespace smmu::model::mmu500

// SPDX-License-Identifier: Apache-2.0
// What passes, where to, and what does not.
#include "tests/models/mmu500/bench.hpp"

namespace smmu::model::mmu500 {
namespace {

class Translation : public Bench {};

TEST_F(Translation, AfterResetEverythingPasses) {
    boot();
    EXPECT_EQ(global(gr0::scr0), scr0::clientpd);
    EXPECT_TRUE(writes(memory_a, memory_a));
    EXPECT_TRUE(reads(memory_a, memory_a));
}

TEST_F(Translation, ABlockedUnitLetsNothingPass) {
    start();
    for (std::size_t i = 0; i < 4; ++i) {
        EXPECT_FALSE(writes(memory_a, memory_a, i));
        EXPECT_FALSE(reads(memory_a, memory_a, i));
        EXPECT_EQ(engine(i).read(0xa8, 8), 1u);
    }
    EXPECT_EQ(engine(0).read(0xb0, 8), 2u);
}

TEST_F(Translation, UnclaimedStreamsBypassWhenToldSo) {
    start();
    set_global(gr0::scr0, run & ~scr0::usfcfg);
    EXPECT_TRUE(writes(memory_a, memory_a));
}

TEST_F(Translation, AStreamMayBypassByItself) {
    start();
    set_global(gr0::s2cr, 1 << 16);
    set_global(gr0::smr, 1u << 31 | 1);
    EXPECT_TRUE(writes(memory_a, memory_a, 0));
    EXPECT_FALSE(writes(memory_a, memory_a, 1));
}

TEST_F(Translation, SecondStage) {
    start_second();
    EXPECT_TRUE(writes(iova + 8, memory_a + 8));
    EXPECT_TRUE(reads(iova + 0xff8, memory_a + 0xff8));
    EXPECT_FALSE(writes(iova + 0x1000, memory_a + 0x1000));
    EXPECT_FALSE(writes(memory_a, memory_a));
    EXPECT_FALSE(writes(iova, memory_a, 1)) << "another stream";
}

TEST_F(Translation, SecondStagePermissions) {
    start_second();
    map(root, iova + 0x1000, memory_b, s2_base | s2_read);
    map(root, iova + 0x2000, memory_b, s2_base | s2_write);
    map(root, iova + 0x3000, memory_b, s2_base);
    EXPECT_TRUE(reads(iova + 0x1000, memory_b));
    EXPECT_FALSE(writes(iova + 0x1000, memory_b));
    EXPECT_FALSE(reads(iova + 0x2000, memory_b));
    EXPECT_TRUE(writes(iova + 0x2000, memory_b));
    EXPECT_FALSE(reads(iova + 0x3000, memory_b));
    EXPECT_FALSE(writes(iova + 0x3000, memory_b));
}

TEST_F(Translation, FirstStage) {
    start_first();
    map(root, iova + 0x1000, memory_b, s1_ro);
    map(root, iova + 0x2000, memory_b, s1_rw & ~(1ull << 6));
    EXPECT_TRUE(writes(iova, memory_a));
    EXPECT_TRUE(reads(iova + 0x1000, memory_b));
    EXPECT_FALSE(writes(iova + 0x1000, memory_b));
    EXPECT_FALSE(reads(iova + 0x2000, memory_b)) << "privileged only";
    engine().write(0xa0, 8, 1 << 16);
    EXPECT_TRUE(reads(iova + 0x2000, memory_b));
    EXPECT_FALSE(writes(1ull << 39, memory_a)) << "beyond T0SZ";
}

TEST_F(Translation, TablesRestrictWhatIsBelow) {
    start_first();
    store(root + 8, load(root + 8) | 1ull << 62);
    EXPECT_TRUE(reads(iova, memory_a));
    EXPECT_FALSE(writes(iova, memory_a));
}

TEST_F(Translation, Blocks) {
    start_second();
    map(root, iova + (2u << 20), memory_a, s2_rw, 2);
    map(root, 0x80000000, 0x80000000, s2_rw, 1);
    EXPECT_TRUE(writes(iova + (2u << 20) + 0x1ff000, memory_a + 0x1ff000));
    EXPECT_TRUE(writes(memory_b, memory_b));
}

// 40 bits begin with two tables of level 1 side by side; the address decides which.
TEST_F(Translation, ConcatenatedRoots) {
    start_second();
    map(root, 1ull << 39, memory_b, s2_rw);
    EXPECT_TRUE(writes(1ull << 39, memory_b));
    EXPECT_FALSE(writes(1ull << 40, memory_b));
}

TEST_F(Translation, ARootOfLevelZero) {
    start();
    root = new_table();
    map(root, 1ull << 47, memory_a, s2_rw, 3, 0);
    set_second(0, root, 1u << 31 | 5 << 16 | 3 << 12 | 2 << 6 | 16);
    lead(0, 1, 0);
    EXPECT_TRUE(writes(1ull << 47, memory_a));
}

// Level 2 with 32 MiB blocks, sixteen roots; level 3 with pages of 16 KiB.
TEST_F(Translation, Granule16K) {
    start();
    root = new_table(16, 16384);
    const std::uint64_t pages = new_table(1, 16384);
    const std::uint64_t far = 0xff00000000;
    store(root + (far >> 25) * 8, pages | 3);
    store(pages + 1 * 8, memory_a | s2_rw | page_bits);
    store(root + (iova >> 25) * 8, memory_b >> 25 << 25 | s2_rw | block_bits);
    set_second(0, root, 1u << 31 | 2 << 16 | 2 << 14 | 3 << 12 | 1 << 6 | 24);
    lead(0, 1, 0);
    EXPECT_TRUE(writes(far + 0x4000 + 0x3ff8, memory_a + 0x3ff8));
    EXPECT_FALSE(writes(far, memory_a));
    EXPECT_TRUE(writes(iova + (memory_b & 0x1ffffff), memory_b));
}

TEST_F(Translation, Granule64K) {
    start();
    root = new_table(1, 65536);
    const std::uint64_t pages = new_table(1, 65536);
    store(root + (iova >> 29) * 8, pages | 3);
    store(pages, memory_a | s1_rw | page_bits);
    store(root + ((iova >> 29) + 1) * 8, 0x80000000 | s1_rw | block_bits);
    set_first(first_bank, root, 1 << 23 | 1 << 14 | 3 << 12 | 25);
    lead(0, 1, first_bank);
    EXPECT_TRUE(writes(iova + 0xfff8, memory_a + 0xfff8));
    EXPECT_FALSE(writes(iova + 0x10000, memory_a));
    EXPECT_TRUE(writes(iova + (1u << 29) + (memory_b - 0x80000000), memory_b));
}

TEST_F(Translation, Nested) {
    start();
    const std::uint64_t second = new_table(2);
    map(second, 0x80000000, 0x80000000, s2_rw, 2);  // where the first stage's tables lie
    map(second, 0x10000000, memory_a, s2_rw);
    map(second, 0x10001000, memory_b, s2_base | s2_read);
    root = new_table();
    map(root, iova, 0x10000000, s1_rw);
    map(root, iova + 0x1000, 0x10001000, s1_rw);
    map(root, iova + 0x2000, 0x10002000, s1_rw);
    set_second(0, second);
    set_first(first_bank, root, tcr_s1, 3, 0);
    lead(0, 1, first_bank);
    EXPECT_TRUE(writes(iova, memory_a));
    EXPECT_TRUE(reads(iova + 0x1000, memory_b));
    EXPECT_FALSE(writes(iova + 0x1000, memory_b));
    EXPECT_EQ(in_bank(0, cb::fsr) & fsr::any_fault, fsr::pf);
    EXPECT_EQ(in_bank(0, cb::ipafar), 0x10001000u);
    EXPECT_EQ(in_bank(0, cb::far), iova + 0x1000);
    EXPECT_EQ(in_bank(0, cb::fsynr0) >> 16 & 0xff, first_bank);
    set_bank(0, cb::fsr, 0xffffffff);
    EXPECT_FALSE(reads(iova + 0x2000, memory_b));
    EXPECT_EQ(in_bank(0, cb::fsr) & fsr::any_fault, fsr::tf);
    EXPECT_EQ(in_bank(first_bank, cb::fsr), 0u);
}

TEST_F(Translation, ABankThatDoesNotTranslateLetsPass) {
    start();
    set_global1(gr1::cbar, 1);
    lead(0, 1, 0);
    EXPECT_TRUE(writes(memory_a, memory_a));
}

TEST_F(Translation, StreamsByMask) {
    start_second();
    set_global(gr0::smr, 0);
    lead(0, 0x10, 0, 0xf);
    engine(3).write(0xa0, 8, 1);
    EXPECT_TRUE(writes(iova, memory_a, 3)) << "stream 0x11";
    EXPECT_FALSE(writes(iova, memory_a, 2)) << "stream 8";
}

TEST_F(Translation, StreamsByIndex) {
    start({.stream_matching = false, .stream_bits = 5});
    root = new_table(2);
    map(root, iova, memory_a, s2_rw);
    set_second(0, root);
    set_global(gr0::s2cr + 4 * 2, 0);
    EXPECT_TRUE(writes(iova, memory_a, 1)) << "stream 2";
    EXPECT_FALSE(writes(iova, memory_a, 0));
}

// VALID lies in the S2CR.
TEST_F(Translation, ExtendedIds) {
    Features features{.extended_ids = true, .mask_bits = 16};
    MachineFacts facts;
    facts.units = {{.features = features}};
    facts.engines = {{0xff000000, 0, {0x8001}}};
    boot(std::move(facts));
    block();
    set_global(gr0::scr0, run | scr0::exidenable);
    root = new_table(2);
    map(root, iova, memory_a, s2_rw);
    set_second(0, root);
    set_global(gr0::smr, 0x8001);
    EXPECT_FALSE(writes(iova, memory_a));
    set_global(gr0::s2cr, 1 << 10);
    EXPECT_TRUE(writes(iova, memory_a));
}

TEST_F(Translation, LargePagesOfRegisters) {
    start_second({.large_pages = true});
    EXPECT_EQ(unit().window_bytes(), 2u * 16 * 65536);
    EXPECT_TRUE(writes(iova, memory_a));
}

TEST_F(Translation, WidthsOfStreamsCanBeProbed) {
    start({.stream_bits = 10, .mask_bits = 8});
    set_global(gr0::smr + 4 * 31, 0x7fff);
    EXPECT_EQ(global(gr0::smr + 4 * 31), 0x3ffu);
    set_global(gr0::smr + 4 * 31, 0x7fff << 16);
    EXPECT_EQ(global(gr0::smr + 4 * 31), 0xffu << 16);
}

}  // namespace
}  // namespace smmu::model::mmu500

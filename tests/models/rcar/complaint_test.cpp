// SPDX-License-Identifier: Apache-2.0
// Each complaint can be provoked.
#include "tests/models/rcar/bench.hpp"

namespace smmu::model::rcar {
namespace {

class Complaint : public Bench {
protected:
    // Master sdhi0 (ds1, micro-TLB 32) with context 1, one page of which it used.
    void start(std::string_view name = "h3-es3") {
        boot(name);
        root = new_table();
        entry = map(root, iova, memory_a);
        program(1, root);
        join("ds1", 1);
        tie("ds1", 32, 1);
        EXPECT_TRUE(writes("sdhi0", iova, memory_a));
        EXPECT_THAT(machine->complaints().all(), testing::IsEmpty());
    }
    std::uint64_t root = 0;
    std::uint64_t entry = 0;
};

TEST_F(Complaint, ALiveContextIsChanged) {
    start();
    put(in_main(1, 0x10), std::uint32_t(new_table()));
    expect_complaint("register 0x10 of context 1 is changed");
    put(in_main(1, 0x08), narrow_format | 3 << 12);
    expect_complaint("register 0x8 of context 1 is changed");
    put(in_main(1, 0x00), 7 | control::wide);
    expect_complaint("VA64 of context 1 is changed");
    put(auxiliary(), 1 << 3);
    expect_complaint("format of all tables is changed");
}

TEST_F(Complaint, ForgottenFlushOfTheCacheUnit) {
    start();
    store(entry, 0);
    flush({}, 1);
    EXPECT_TRUE(writes("sdhi0", iova, memory_a)) << "stale";
    expect_complaint("ds1: context 1 is flushed in the main unit, and not here");
}

TEST_F(Complaint, ForgottenFlushOfTheMainUnit) {
    start();
    store(entry, 0);
    put(context(base("ds1"), 1, 0), 7);
    EXPECT_TRUE(writes("sdhi0", iova, memory_a)) << "from the main unit";
    EXPECT_FALSE(writes("sdhi0", iova + 0x1000, memory_a));
}

TEST_F(Complaint, AContextIsUsedAgainWithoutFlush) {
    start();
    program(2, new_table());
    join("ds1", 2);
    tie("ds1", 32, 2);
    put(in_main(1, 0), 0);
    put(in_main(1, 0), 5);
    expect_complaint("context 1 is enabled with old translations");
}

TEST_F(Complaint, AMicroTlbGetsAnotherContextWithoutFlush) {
    start();
    program(2, new_table());
    join("ds1", 2);
    put(slot_control("ds1", 32), 2 << 4 | 1);
    EXPECT_TRUE(writes("sdhi0", iova, memory_a)) << "stale";
    expect_complaint("micro-TLB 32 gets another context");
}

TEST_F(Complaint, ContextsThatAreNotEnabledPassEverything) {
    boot("h3-es3");
    tie("ds1", 32, 1);
    expect_complaint("ds1: micro-TLB 32 is tied to context 1, which is not enabled");
    EXPECT_TRUE(writes("sdhi0", memory_a, memory_a));
    expect_complaint("passes an access untranslated");
    program(1, new_table());
    EXPECT_TRUE(writes("sdhi0", memory_a, memory_a)) << "the cache unit does not know the context";
    join("ds1", 1);
    EXPECT_FALSE(writes("sdhi0", memory_a, memory_a));
}

TEST_F(Complaint, MastersAreOpened) {
    start();
    put(in_main(1, 0), 0);
    expect_complaint("mm: context 1 is disabled while micro-TLBs are tied");
    EXPECT_TRUE(writes("sdhi0", memory_b, memory_b));
    put(in_main(1, 0), 7);
    wait_for_flush(1);
    put(context(base("ds1"), 1, 0), 0);
    expect_complaint("ds1: context 1 is disabled while micro-TLBs are tied");
    put(slot_control("ds1", 32), 0);
    expect_complaint("micro-TLB 32 is turned off");
    EXPECT_TRUE(writes("sdhi0", memory_b, memory_b));
}

TEST_F(Complaint, ContextZeroIsReserved) {
    boot("h3-es3");
    put(in_main(0, 0x08), narrow_format);
    put(in_main(0, 0), 7);
    expect_complaint("mm: context 0 is used");
    join("ds1", 0);
    expect_complaint("ds1: context 0 is used");
    tie("ds1", 0, 0);
    expect_complaint("micro-TLB 0 is tied to context 0");
}

TEST_F(Complaint, RootsAndTheirRegisters) {
    const std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::string_view> wrong[] = {
        {0x10, 0x40100800, 0, "is not aligned"},
        {0x14, 0x100, 0, "reserved bits of IMTTUBR0"},
        {0x08, 0x80, 0, "EAE is 0"},
        {0x08, narrow_format | 1 << 5, 0, "reserved bits of IMTTBCR"},
        {0x08, narrow_format | 1 << 4, 0, "reserved bits of IMTTBCR"},
        {0x08, narrow_format | 1 << 12, 0, "IMTTBCR.SH is the reserved 1"},
        {0x08, narrow_format | 1u << 30, 0, "PMB and IMSAUXCTLR.S2PTE do not agree"},
        {0x08, 0x800000c0, 0, "SL0 has no meaning"},
        {0x08, 0x80000000, 0, "does not fit 32 bits"},
        {0x08, 0x80000081, 0, "TSZ0 is not 0"},
        {0x08, 0x80000080 | 24 << 16 | 24, control::wide, "does not fit 40 bits"},
        {0x08, 0x80000080 | 25, control::wide, "TTBR1 and TSZ1"}};
    for (const auto& [offset, value, more, words] : wrong) {
        boot("h3-es3");
        put(in_main(1, 0x10), 0x40100000);
        put(in_main(1, 0x08), narrow_format);
        put(in_main(1, 0x28), 0x5500);
        put(in_main(1, offset), value);
        put(in_main(1, 0), 7 | more);
        wait_for_flush(1);
        expect_complaint(words);
        join("ds1", 1);
        tie("ds1", 32, 1);
        EXPECT_FALSE(writes("sdhi0", iova, memory_a)) << words;
        EXPECT_EQ(fault_status(1), fault::translation | fault::format) << words;
    }
}

TEST_F(Complaint, TheRootOfStage2IsAlignedToAllItsTables) {
    boot("h3-es3");
    put(auxiliary(), 1 << 3);
    program(1, 0x40101000, 0xc0000058, control::wide);
    expect_complaint("not aligned to its 8192 bytes");
}

TEST_F(Complaint, DescriptorsThatAreWrong) {
    const std::tuple<std::uint64_t, std::uint32_t, std::string_view> wrong[] = {
        {memory_a | leaf | 3 | 1ull << 48, 0x3101, "reserved bits in the level 3 leaf"},
        {0x100'0000'0000 | leaf | 3, 0x3101, "reserved bits in the level 3 leaf"},
        {memory_a | leaf | 1, 0x3001, "a block"},
        {memory_a | 1 << 2 | 1 << 5 | 3, 0x3402, "AF is 0"}};
    for (const auto& [word, status, words] : wrong) {
        start();
        map(root, iova + 0x1000, 0, 0);
        store(entry + 8, word);
        EXPECT_FALSE(reads("sdhi0", iova + 0x1000, memory_a)) << words;
        EXPECT_EQ(fault_status(1), status) << words;
        expect_complaint(words);
    }
    start();
    map(root, 0x80000000, memory_a + 0x1000, leaf, 2);
    EXPECT_FALSE(reads("sdhi0", 0x80000000, memory_a));
    expect_complaint("reserved bits in the level 2 leaf");
    map(root, iova + 0x3000, memory_b, leaf | 1 << 8);
    EXPECT_TRUE(reads("sdhi0", iova + 0x3000, memory_b));
    expect_complaint("SH is the reserved 1");
    map(root, iova + 0x4000, memory_b, leaf | 1 << 4);
    EXPECT_TRUE(reads("sdhi0", iova + 0x4000, memory_b));
    expect_complaint("uses IMMAIR1, which was never written");
}

TEST_F(Complaint, RegistersThatAreNotThere) {
    boot("h3-es1");
    put(in_main(1, 0), control::wide);
    expect_complaint("reserved bits of IMCTR");
    EXPECT_EQ(get(in_main(1, 0)), 0u);
    put(auxiliary(), 1 << 3);
    expect_complaint("on a product without it");
    EXPECT_EQ(get(auxiliary()), 0u);
    put(main_base() + 0x300, 1);
    expect_complaint("where the main unit has no register");
    put(main_base() + 0x540, 1);
    expect_complaint("IMSSTR");
    put(in_main(1, 0x30), 1);
    expect_complaint("cannot be written");
    put(in_main(1, 0x20), 1);
    expect_complaint("which is cleared by 0");
    put(context(base("ds1"), 1, 0x10), 1);
    expect_complaint("which only the main unit has");
    put(context(base("ds1"), 1, 0), 1 << 16);
    expect_complaint("takes bits 2:0 only");
    put(base("ds1") + 0x504, 1);
    expect_complaint("where a cache unit has no register");
    put(base("ds1") + 0x280, 1);
    expect_complaint("the physical map is used");
    put(base("ds1") + 0x500, 1 << 28);
    expect_complaint("USE_SECGRP");
    perform(link::Operation::write({in_main(1, 0x10)}, 8, 0));
    expect_complaint("an access of 8 bytes");
}

TEST_F(Complaint, MicroTlbsWithStrangeBits) {
    start();
    put(slot_control("ds1", 33), 1 << 4 | 3 | 1 << 8);
    expect_complaint("reserved bits or a fixed address");
    put(slot_control("ds1", 33), 8 << 4 | 3);
    expect_complaint("is tied to context 8 of 8");
    put(slot_control("ds1", 33) + 8, 1);
    expect_complaint("IMUASID of micro-TLB 33");
}

TEST_F(Complaint, ControlIsWrittenDuringAFlush) {
    boot("h3-es3");
    put(in_main(1, 0), 2);
    put(in_main(1, 0), 0);
    expect_complaint("while its flush is not over");
}

TEST_F(Complaint, CutsWhoseCachesMustBeOff) {
    boot("h3-es2");
    EXPECT_EQ(get(base("ds1") + 0x500), cache_off);
    EXPECT_EQ(get(base("vp0") + 0x500), 0u);
    root = new_table();
    entry = map(root, iova, memory_a);
    program(1, root);
    join("vp0", 1);
    tie("vp0", 0, 1);
    expect_complaint("vp0: micro-TLB 0 is enabled with the cache on");
    EXPECT_TRUE(writes("fcpf0", iova, memory_a));
    store(entry, 0);
    flush({"vp0"}, 1);
    EXPECT_TRUE(writes("fcpf0", iova, memory_a)) << "the flush is lost";
}

}  // namespace
}  // namespace smmu::model::rcar

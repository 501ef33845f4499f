// SPDX-License-Identifier: Apache-2.0
// What masters may do: open when their micro-TLB is off, else by the tables of their context.
#include "tests/models/rcar/bench.hpp"

namespace smmu::model::rcar {
namespace {

class Translation : public Bench {
protected:
    // Master sdhi0 (ds1, micro-TLB 32) with context 1 and one page.
    void start(std::string_view name = "h3-es3", Behaviour behaviour = {}) {
        boot(name, behaviour);
        root = new_table();
        entry = map(root, iova, memory_a);
        program(1, root);
        join("ds1", 1);
        tie("ds1", 32, 1);
    }
    std::uint64_t root = 0;
    std::uint64_t entry = 0;
};

TEST_F(Translation, AMicroTlbThatIsOffIsOpen) {
    boot("h3-es3");
    for (const MasterFacts& master : machine->facts().product.masters)
        for (unsigned channel = 0; channel < master.slots.size(); ++channel) {
            EXPECT_TRUE(writes(master.name, memory_a, memory_a, channel)) << master.name;
            EXPECT_TRUE(reads(master.name, memory_b, memory_b, channel)) << master.name;
        }
    EXPECT_FALSE(writes("sdhi0", 0x20000000, memory_a)) << "no memory there";
}

TEST_F(Translation, OnlyWhatTheTableSays) {
    start();
    EXPECT_TRUE(writes("sdhi0", iova + 0x18, memory_a + 0x18));
    EXPECT_TRUE(reads("sdhi0", iova + 0xff8, memory_a + 0xff8));
    EXPECT_FALSE(writes("sdhi0", iova + 0x1000, memory_a + 0x1000));
    EXPECT_FALSE(reads("sdhi0", memory_a, memory_a)) << "an untranslated address";
    EXPECT_TRUE(writes("sdhi1", memory_b, memory_b)) << "another micro-TLB of the same unit";
}

TEST_F(Translation, ACommandThatCrossesAPageIsHalfRefused) {
    start();
    const std::uint64_t at = machine->master("sdhi0").facts().base;
    machine->memory().store(memory_a + 0xffc, std::uint32_t{0});
    put(at + Master::buffer_offset, 0x01020304);
    EXPECT_EQ(command("sdhi0", iova + 0xffc, 2), 2u);
    EXPECT_EQ(machine->memory().load<std::uint32_t>(memory_a + 0xffc), 0x01020304u);
    EXPECT_EQ(get(at + Master::refused), 1u);
}

TEST_F(Translation, ACopyNeedsBothSides) {
    start();
    map(root, iova + 0x1000, memory_b, leaf | read_only);
    const std::uint64_t at = machine->master("sdhi0").facts().base;
    const auto copy = [&](std::uint64_t from, std::uint64_t to) {
        put(at + Master::source, std::uint32_t(from));
        put(at + Master::destination, std::uint32_t(to));
        put(at + Master::length, 8);
        put(at + Master::go, 3);
        return get(at + Master::status);
    };
    machine->memory().store(memory_b, mark);
    EXPECT_EQ(copy(iova + 0x1000, iova), 0u);
    EXPECT_EQ(load(memory_a), mark);
    EXPECT_EQ(copy(iova, iova + 0x1000), 2u);
    EXPECT_EQ(copy(iova + 0x2000, iova), 1u);
}

TEST_F(Translation, WriteImpliesRead) {
    start();
    map(root, iova + 0x1000, memory_b, leaf | read_only);
    EXPECT_TRUE(reads("sdhi0", iova, memory_a));
    EXPECT_TRUE(reads("sdhi0", iova + 0x1000, memory_b));
    EXPECT_FALSE(writes("sdhi0", iova + 0x1000, memory_b));
}

TEST_F(Translation, EachLeafSize) {
    start();
    map(root, 0x40000000, 0x40000000, leaf | read_only, 1);
    map(root, 0x80200000, memory_b, leaf, 2);
    EXPECT_TRUE(reads("sdhi0", memory_b + 0x123458, memory_b + 0x123458));
    EXPECT_FALSE(writes("sdhi0", memory_b, memory_b));
    EXPECT_TRUE(writes("sdhi0", 0x803ffff8, memory_b + 0x1ffff8));
    EXPECT_FALSE(writes("sdhi0", 0x80400000, memory_b));
}

TEST_F(Translation, ATableMayForbidWritesBelow) {
    start();
    map(root, 0x50000000, memory_b, leaf, 3, non_secure_table | 1ull << 62);
    EXPECT_TRUE(reads("sdhi0", 0x50000000, memory_b));
    EXPECT_FALSE(writes("sdhi0", 0x50000000, memory_b));
}

TEST_F(Translation, AddressesAbove4GiBAreRefusedIn32BitMode) {
    start();
    EXPECT_FALSE(writes("sdhi0", 0x1'0000'0000 + iova, memory_a));
    EXPECT_EQ(fault_status(1), fault::translation | fault::level(1));
    EXPECT_EQ(fault_address(1), 0x1'0000'0000 + iova);
}

TEST_F(Translation, OneMicroTlbForTwoMasters) {
    boot("h3-es3");
    program(3, new_table());
    join("vi0", 3);
    tie("vi0", 0, 3);
    EXPECT_FALSE(writes("vin0", memory_a, memory_a));
    EXPECT_FALSE(writes("vin1", memory_a, memory_a));
    EXPECT_TRUE(writes("fcpvd0", memory_a, memory_a));
}

TEST_F(Translation, EachChannelHasItsMicroTlb) {
    boot("h3-es3");
    program(1, new_table());
    join("ds0", 1);
    tie("ds0", 7, 1);
    EXPECT_FALSE(writes("dmac0", memory_a, memory_a, 7));
    EXPECT_TRUE(writes("dmac0", memory_a, memory_a, 8));
}

TEST_F(Translation, LongAddressesWhereTheProductHasThem) {
    boot("h3-es3");
    root = new_table();
    const std::uint64_t high = 0x70'0000'0000;
    map(root, high, memory_a);
    const std::uint32_t format = 0x80000080 | 25 << 16 | 25;
    put(in_main(2, 0x18), std::uint32_t(root));
    program(2, root, format, control::wide);
    join("ds0", 2);
    tie("ds0", 16, 2);
    EXPECT_TRUE(writes("avb", high, memory_a));
    EXPECT_FALSE(writes("avb", high + 0x1000, memory_a));
    EXPECT_FALSE(writes("avb", high - 0x40'0000'0000, memory_a));
}

TEST_F(Translation, Stage2WithTwoRootTables) {
    for (const std::string_view name : {"h3-es3", "v4h"}) {
        boot(name);
        put(auxiliary(), 1 << 24 | 1 << 3);
        root = new_table();
        const std::uint64_t high = 0xff'c000'0000;  // in the second of them
        const std::uint64_t both = 0xf << 2 | 3 << 8 | 1 << 10 | 3 << 6;
        const std::uint64_t write_only = both & ~(1ull << 6);
        map(root, high, memory_a, both, 3, 0);
        map(root, high + 0x1000, memory_b, write_only, 3, 0);
        program(1, root, 0xc0000058, control::wide);
        join("hc", 1);
        tie("hc", 0, 1);
        const std::string_view master = name == "v4h" ? "avb0" : "pcie0";
        EXPECT_TRUE(writes(master, high, memory_a));
        EXPECT_TRUE(reads(master, high, memory_a));
        EXPECT_TRUE(writes(master, high + 0x1000, memory_b));
        EXPECT_FALSE(reads(master, high + 0x1000, memory_b));
    }
}

TEST_F(Translation, Gen4HasMoreContextsInOtherPlaces) {
    boot("v4h");
    for (const unsigned index : {1u, 7u, 8u, 15u}) {
        root = new_table();
        map(root, iova, memory_a + 0x1000 * index);
        program(index, root);
        join("ds0", index);
        tie("ds0", index, index);
        EXPECT_TRUE(writes("dmac0", iova, memory_a + 0x1000 * index, index));
        EXPECT_FALSE(writes("dmac0", iova + 0x1000, memory_a, index));
    }
    EXPECT_EQ(get(main_base() + 0x10000 + 15 * 0x1000 + 0x800 + 7 * 0x40 + 8), narrow_format);
    join("ds0", 1);
    tie("ds0", 32, 1);
    EXPECT_TRUE(writes("mmc0", iova, memory_a + 0x1000));
}

TEST_F(Translation, OldTranslationsStayUntilTheFlush) {
    start();
    EXPECT_TRUE(writes("sdhi0", iova, memory_a));
    store(entry, 0);
    EXPECT_TRUE(writes("sdhi0", iova, memory_a)) << "stale";
    flush({"ds1"}, 1);
    EXPECT_FALSE(writes("sdhi0", iova, memory_a));
}

TEST_F(Translation, OldTablesStayUntilTheFlush) {
    start();
    EXPECT_TRUE(writes("sdhi0", iova, memory_a));
    store(entry_of(root, iova, 1), 0);
    map(root, iova + 0x1000, memory_b);
    EXPECT_FALSE(writes("sdhi0", iova + 0x1000, memory_b)) << "the walk goes by the old table";
    put(in_main(1, 0x20), 0);
    flush({"ds1"}, 1);
    EXPECT_TRUE(writes("sdhi0", iova + 0x1000, memory_b));
    EXPECT_FALSE(writes("sdhi0", iova, memory_a));
}

TEST_F(Translation, WhatIsNewNeedsNoFlush) {
    start();
    EXPECT_FALSE(writes("sdhi0", iova + 0x1000, memory_b));
    map(root, iova + 0x1000, memory_b);
    EXPECT_TRUE(writes("sdhi0", iova + 0x1000, memory_b));
}

TEST_F(Translation, AFlushTakesEffectWhenItsBitIsGone) {
    start("h3-es3", {.flush_readings = 3});
    EXPECT_TRUE(writes("sdhi0", iova, memory_a));
    store(entry, 0);
    put(context(base("ds1"), 1, 0), 7);
    put(in_main(1, 0), 7);
    EXPECT_TRUE(writes("sdhi0", iova, memory_a)) << "the main unit still has it";
    wait_for_flush(1);
    EXPECT_FALSE(writes("sdhi0", iova, memory_a));
}

TEST_F(Translation, AFlushMayNeverEnd) {
    boot("h3-es3", {.never_flushes = true});
    put(in_main(1, 0x08), narrow_format);
    put(in_main(1, 0), 7);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(get(in_main(1, 0)), 7u);
}

TEST_F(Translation, AnotherContextForAMicroTlb) {
    start();
    EXPECT_TRUE(writes("sdhi0", iova, memory_a));
    program(2, new_table());
    join("ds1", 2);
    tie("ds1", 32, 2);
    EXPECT_FALSE(writes("sdhi0", iova, memory_a));
    EXPECT_NE(fault_status(2), 0u);
    EXPECT_EQ(fault_status(1), 0u);
}

TEST_F(Translation, WithTheCacheOffOnlyTheMainUnitRemembers) {
    start("h3-es2");
    EXPECT_TRUE(writes("sdhi0", iova, memory_a));
    store(entry, 0);
    put(in_main(1, 0), 7);
    wait_for_flush(1);
    EXPECT_FALSE(writes("sdhi0", iova, memory_a));
}

TEST_F(Translation, WalksSeeWhatWasCleaned) {
    start("h3-es3", {.sees_cleaning = true});
    EXPECT_TRUE(writes("sdhi0", iova, memory_a));
    cleans = false;
    map(root, iova + 0x1000, memory_b);
    EXPECT_FALSE(writes("sdhi0", iova + 0x1000, memory_b));
    expect_complaint("never cleaned");
}

}  // namespace
}  // namespace smmu::model::rcar

// SPDX-License-Identifier: Apache-2.0
// Legacy mode: what is allowed passes, what is not is refused and recorded, and what was cached
// stays until the invalidation that names it.
#include "tests/models/vtd/bench.hpp"

namespace smmu::model::vtd {
namespace {

class Legacy : public Bench {
protected:
    // Translation on; the device 00:03.0 has domain 1 with one page.
    void start(Features features = {}, Behaviour behaviour = {}) {
        boot(features, behaviour);
        table = new_table();
        entry = map(table, iova, memory_a);
        set_context(id_a, table, 1);
        write_buffer = features.write_buffer;
        enable();
    }
    std::uint64_t table = 0;
    std::uint64_t entry = 0;
};

TEST_F(Legacy, BeforeTranslationEverythingPasses) {
    boot(Features{});
    EXPECT_TRUE(writes(a(), memory_a, memory_a));
    EXPECT_TRUE(reads(a(), memory_a, memory_a));
}

TEST_F(Legacy, WhatIsMappedPassesAndNothingElse) {
    start({.fault_registers = 4});
    EXPECT_TRUE(writes(a(), iova, memory_a));
    EXPECT_TRUE(reads(a(), iova, memory_a));
    EXPECT_FALSE(writes(a(), memory_a, memory_a));
    EXPECT_FALSE(writes(b(), iova, memory_a));
    EXPECT_FALSE(reads(a(), iova + 0x1000, memory_a));
    EXPECT_EQ(fault(0), (Seen{5, id_a, memory_a, true}));
    EXPECT_EQ(fault(1), (Seen{2, id_b, iova, true}));
    EXPECT_EQ(fault(2), (Seen{6, id_a, iova + 0x1000, false}));
    EXPECT_EQ(fault(3), std::nullopt);
}

TEST_F(Legacy, PermissionsAreThoseOfEveryLevel) {
    boot(Features{});
    table = new_table();
    map(table, iova, memory_a, readable);
    map(table, iova + (1 << 30), memory_b, readable | writable, 4, 1, readable);
    set_context(id_a, table, 1);
    enable();
    EXPECT_TRUE(reads(a(), iova, memory_a));
    EXPECT_FALSE(writes(a(), iova, memory_a));
    EXPECT_TRUE(reads(a(), iova + (1 << 30), memory_b));
    EXPECT_FALSE(writes(a(), iova + (1 << 30), memory_b));
}

TEST_F(Legacy, LargePagesAndThreeLevels) {
    boot({.sagaw = 0b0010, .mgaw = 39, .large_pages = 1});
    table = new_table();
    map(table, iova, 0x800000, readable | writable, 3, 2);
    set_context(id_a, table, 1, 3);
    enable();
    EXPECT_TRUE(writes(a(), iova + 0x123000, 0x923000));
    EXPECT_FALSE(writes(a(), 1ull << 39, memory_a));
    EXPECT_EQ(fault(0), (Seen{4, id_a, 1ull << 39, true}));
}

TEST_F(Legacy, PassThroughNeedsItsEntry) {
    boot({.pass_through = true});
    set_context(id_a, 0, 7, 4, 2);
    enable();
    EXPECT_TRUE(writes(a(), memory_b, memory_b));
    EXPECT_FALSE(writes(b(), memory_b, memory_b));
}

TEST_F(Legacy, BehindABridgeItsAliasCounts) {
    boot(Features{});
    table = new_table();
    map(table, iova, memory_a);
    set_context(2 << 8, table, 1);
    enable();
    EXPECT_TRUE(writes(machine->device(2, 1), iova, memory_a));
}

TEST_F(Legacy, ADeviceThatIsNotMasterSendsNothing) {
    start();
    config(id_a, 4, 2, 2);
    EXPECT_FALSE(writes(a(), iova, memory_a));
    EXPECT_EQ(fault(0), std::nullopt);
}

TEST_F(Legacy, TranslationsStayUntilTheirPageIsInvalidated) {
    start();
    EXPECT_TRUE(writes(a(), iova, memory_a));
    store(entry, 0);
    EXPECT_TRUE(writes(a(), iova, memory_a));
    forget_pages(1, iova + 0x1000, 0);
    forget_pages(2, iova, 0);
    forget_domain(2);
    forget_contexts();
    EXPECT_TRUE(writes(a(), iova, memory_a));
    forget_pages(1, iova, 0);
    EXPECT_FALSE(writes(a(), iova, memory_a));
}

TEST_F(Legacy, APageRangeTakesItsPagesOnly) {
    start();
    const std::uint64_t other = map(table, iova + 0x4000, memory_b);
    EXPECT_TRUE(writes(a(), iova, memory_a));
    EXPECT_TRUE(writes(a(), iova + 0x4000, memory_b));
    store(entry, 0);
    store(other, 0);
    forget_pages(1, iova, 2);
    EXPECT_FALSE(writes(a(), iova, memory_a));
    EXPECT_TRUE(writes(a(), iova + 0x4000, memory_b));
    forget_pages(1, iova, 3);
    EXPECT_FALSE(writes(a(), iova + 0x4000, memory_b));
}

TEST_F(Legacy, DomainAndGlobalInvalidationTakeAll) {
    for (const bool global : {false, true}) {
        start();
        EXPECT_TRUE(writes(a(), iova, memory_a));
        store(entry, 0);
        if (global)
            forget_translations();
        else
            forget_domain(1);
        EXPECT_FALSE(writes(a(), iova, memory_a));
    }
}

TEST_F(Legacy, AFreedTableIsStillWalkedAfterAHintThatOnlyLeavesChanged) {
    start();
    EXPECT_TRUE(writes(a(), iova, memory_a));
    const std::uint64_t top = table + (iova >> 39 & 511) * 8;
    store(top, 0);
    forget_pages(1, iova, 0, true);
    EXPECT_TRUE(writes(a(), iova, memory_a));  // the tables below are cached
    forget_pages(1, iova, 0, false);
    EXPECT_FALSE(writes(a(), iova, memory_a));
}

TEST_F(Legacy, ContextEntriesStayUntilInvalidatedWithTheirDomain) {
    start();
    EXPECT_TRUE(writes(a(), iova, memory_a));
    clear_context(id_a);
    forget_translations();
    EXPECT_TRUE(writes(a(), iova, memory_a));
    forget_context(id_b, 1);
    forget_context(id_a, 2);
    EXPECT_TRUE(writes(a(), iova, memory_a));
    forget_context(id_a, 1);
    EXPECT_FALSE(writes(a(), iova, memory_a));
}

TEST_F(Legacy, AFunctionMaskCoversTheDevice) {
    start();
    EXPECT_TRUE(writes(a(), iova, memory_a));
    clear_context(id_a);
    forget_context(id_a | 6, 1, 1);
    EXPECT_TRUE(writes(a(), iova, memory_a));
    forget_context(id_a | 7, 1, 3);
    EXPECT_FALSE(writes(a(), iova, memory_a));
}

TEST_F(Legacy, ANewRootIsSeenByNobodyWhoseContextIsCached) {
    start();
    EXPECT_TRUE(writes(a(), iova, memory_a));
    unit().write(reg::rtaddr, 8, new_table());
    command(gcmd::set_root);
    EXPECT_TRUE(writes(a(), iova, memory_a));
    forget_contexts();
    EXPECT_FALSE(writes(a(), iova, memory_a));
}

TEST_F(Legacy, SettingTheRootInvalidatesWhereTheUnitSaysSo) {
    start({.srtp_invalidates = true});
    EXPECT_TRUE(writes(a(), iova, memory_a));
    unit().write(reg::rtaddr, 8, new_table());
    command(gcmd::set_root);
    EXPECT_FALSE(writes(a(), iova, memory_a));
}

TEST_F(Legacy, InCachingModeWhatIsNotPresentIsCached) {
    start({.caching_mode = true});
    EXPECT_FALSE(writes(a(), iova + 0x1000, memory_b));
    map(table, iova + 0x1000, memory_b);
    EXPECT_FALSE(writes(a(), iova + 0x1000, memory_b));
    forget_pages(1, iova + 0x1000, 0, true);
    EXPECT_TRUE(writes(a(), iova + 0x1000, memory_b));

    EXPECT_FALSE(writes(b(), iova, memory_a));
    set_context(id_b, table, 1);
    forget_context(id_b, 1);
    EXPECT_FALSE(writes(b(), iova, memory_a));
    forget_context(id_b, 0);
    EXPECT_TRUE(writes(b(), iova, memory_a));
}

TEST_F(Legacy, WithoutCachingModeItIsNot) {
    start();
    EXPECT_FALSE(writes(a(), iova + 0x1000, memory_b));
    map(table, iova + 0x1000, memory_b);
    EXPECT_TRUE(writes(a(), iova + 0x1000, memory_b));
}

TEST_F(Legacy, TheWriteBufferKeepsWhatIsStored) {
    start({.write_buffer = true});
    EXPECT_TRUE(writes(a(), iova, memory_a));
    map(table, iova + 0x1000, memory_b);
    EXPECT_FALSE(writes(a(), iova + 0x1000, memory_b));
    command(gcmd::flush_buffer);
    EXPECT_TRUE(writes(a(), iova + 0x1000, memory_b));
    const std::uint64_t third = map(table, iova + 0x2000, memory_b);
    EXPECT_FALSE(unit().visible({{third}, {third + 7}}));
    forget_domain(9);  // any invalidation flushes
    EXPECT_TRUE(unit().visible({{third}, {third + 7}}));
    EXPECT_TRUE(writes(a(), iova + 0x2000, memory_b));
}

TEST_F(Legacy, AWalkThatDoesNotSnoopSeesWhatWasCleaned) {
    boot({.coherent = false}, {.sees_cleaning = true});
    table = new_table();
    entry = map(table, iova, memory_a);
    set_context(id_a, table, 1);
    enable();
    EXPECT_FALSE(writes(a(), iova, memory_a));
    EXPECT_EQ(fault(0)->reason, 1u);
    EXPECT_FALSE(unit().visible({{entry}, {entry + 7}}));
    unit().clean({{root_table}, {free_table - 1}});
    EXPECT_TRUE(unit().visible({{entry}, {entry + 7}}));
    EXPECT_TRUE(writes(a(), iova, memory_a));
}

TEST_F(Legacy, InvalidationByRegistersWorksWithoutTheQueue) {
    boot({.queued = false});
    table = new_table();
    entry = map(table, iova, memory_a);
    set_context(id_a, table, 1);
    set_root();
    const auto contexts = [&] {
        unit().write(reg::ccmd, 8, 1ull << 63 | 1ull << 61);
        EXPECT_EQ(unit().read(reg::ccmd, 8) >> 59, 1ull | 1ull << 2);
    };
    const auto translations = [&](std::uint64_t word) {
        unit().write(0xf8, 8, 1ull << 63 | word);
        EXPECT_EQ(unit().read(0xf8, 8) >> 63, 0u);
        EXPECT_NE(unit().read(0xf8, 8) >> 57 & 3, 0u);
    };
    contexts();
    translations(1ull << 60);
    command(gcmd::translation);
    EXPECT_TRUE(writes(a(), iova, memory_a));
    store(entry, 0);
    unit().write(0xf0, 8, iova + 0x1000);
    translations(3ull << 60 | 1ull << 32);
    EXPECT_TRUE(writes(a(), iova, memory_a));
    unit().write(0xf0, 8, iova);
    translations(3ull << 60 | 1ull << 32);
    EXPECT_FALSE(writes(a(), iova, memory_a));
}

TEST_F(Legacy, InterruptMessagesAreNotTranslated) {
    start();
    const std::uint64_t before = a().read(0xd0, 8);
    EXPECT_FALSE(writes(a(), 0xfee00000, memory_a));
    EXPECT_EQ(a().read(0xd0, 8), before + 1);
    const std::uint64_t messages = map(table, iova + 0x1000, 0xfee00000);
    EXPECT_FALSE(writes(a(), iova + 0x1000, memory_a));
    EXPECT_EQ(fault(0), (Seen{0xe, id_a, iova + 0x1000, true}));
    store(messages, 0);
}

TEST_F(Legacy, OldUnitsProtectMemoryOnlyFromWhatNobodyTranslates) {
    for (const unsigned major : {1u, 2u}) {
        start({.major = major, .low_protected = true});
        unit().write(reg::plmbase, 4, 0x800000);
        unit().write(reg::plmlimit, 4, 0x800000);
        unit().write(reg::pmen, 4, 1u << 31);
        EXPECT_EQ(writes(a(), iova, memory_a), major < 2);
        EXPECT_EQ(fault(0), std::nullopt);
        unit().write(reg::pmen, 4, 0);
        EXPECT_TRUE(writes(a(), iova, memory_a));
    }
}

}  // namespace
}  // namespace smmu::model::vtd

// SPDX-License-Identifier: Apache-2.0
// Each complaint can be provoked.
#include "tests/models/vtd/bench.hpp"

namespace smmu::model::vtd {
namespace {

class Complaint : public Bench {
protected:
    void start(Features features = {}) {
        boot(features);
        table = new_table();
        entry = map(table, iova, memory_a);
        set_context(id_a, table, 1);
        enable();
        EXPECT_THAT(machine->complaints().all(), testing::IsEmpty());
    }
    std::uint64_t table = 0;
    std::uint64_t entry = 0;
};

TEST_F(Complaint, TwoCommandsAtOnce) {
    boot(Features{});
    unit().write(reg::gcmd, 4, gcmd::translation | gcmd::set_root);
    expect_complaint("several bits");
}

TEST_F(Complaint, ACommandBeforeTheLastIsAcknowledged) {
    boot(Features{}, {.acknowledge_delay = 3});
    unit().write(reg::rtaddr, 8, root_table);
    unit().write(reg::gcmd, 4, gcmd::set_root);
    EXPECT_EQ(status(), 0u);
    unit().write(reg::gcmd, 4, gcmd::queue);
    expect_complaint("is not acknowledged");
}

TEST_F(Complaint, AcknowledgementsMayBeDelayedOrNeverCome) {
    boot(Features{}, {.acknowledge_delay = 3, .never_acknowledged = gcmd::translation});
    set_root();
    unit().write(reg::gcmd, 4, gcmd::translation);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(status() & gcmd::translation, 0u);
}

TEST_F(Complaint, RootTableOutsideMemory) {
    boot(Features{});
    unit().write(reg::rtaddr, 8, 0x7f00000000);
    command(gcmd::set_root);
    expect_complaint("outside RAM");
}

TEST_F(Complaint, ReservedBitsAndModesOfTheRoot) {
    boot(Features{});
    set_root(1);
    expect_complaint("reserved bits of the root table address");
    set_root(1 << 10);
    expect_complaint("translation table mode 1");
}

TEST_F(Complaint, ModeChangedUnderTranslation) {
    start({.scalable = true, .second_stage = true});
    set_root(1 << 10);
    expect_complaint("mode is changed while translation is on");
}

TEST_F(Complaint, ModeMayChangeWhereTheRootInvalidates) {
    boot({.srtp_invalidates = true, .scalable = true, .second_stage = true});
    set_root();
    enable_queue(true);
    command(gcmd::translation);
    set_root(1 << 10);
}

TEST_F(Complaint, TranslationWithoutRootOrInvalidation) {
    boot(Features{});
    command(gcmd::translation);
    expect_complaint("without a root table");
    boot(Features{});
    set_root();
    command(gcmd::translation);
    expect_complaint("old context entries");
    expect_complaint("old translations");
}

TEST_F(Complaint, TranslationsInvalidatedBeforeTheContextEntries) {
    boot(Features{});
    set_root();
    enable_queue();
    forget_translations();
    forget_contexts();
    command(gcmd::translation);
    expect_complaint("old translations");
}

TEST_F(Complaint, ReservedBitsInEveryTable) {
    start();
    store(entry, memory_a | 1 << 11 | 3);  // SNP without snoop control
    EXPECT_FALSE(writes(a(), iova, memory_a));
    EXPECT_EQ(fault(0)->reason, 0xcu);
    expect_complaint("second-stage entry of level 1");
    store(context_table + id_b * 16u, table | present | 1 << 5);
    EXPECT_FALSE(writes(b(), iova, memory_a));
    expect_complaint("reserved bits in a context entry");
    store(root_table + 16, present | 1 << 4);
    EXPECT_FALSE(writes(machine->device(1, 0), iova, memory_a));
    expect_complaint("reserved bits in the root entry");
}

TEST_F(Complaint, LargePageWithoutTheAbility) {
    start();
    map(table, iova + (4 << 20), 0x800000, 3, 4, 2);
    EXPECT_FALSE(writes(a(), iova + (4 << 20), memory_a));
    expect_complaint("second-stage entry of level 2");
}

TEST_F(Complaint, InvalidContextEntry) {
    start();
    set_context(id_b, table, 2, 3);  // three levels, which the unit does not have
    EXPECT_FALSE(writes(b(), iova, memory_a));
    EXPECT_EQ(fault(0)->reason, 3u);
    expect_complaint("not valid on this unit");
}

TEST_F(Complaint, TablePointerOutsideMemory) {
    start();
    set_context(id_b, 0x7000000000, 2);
    EXPECT_FALSE(writes(b(), iova, memory_a));
    EXPECT_EQ(fault(0)->reason, 7u);
    expect_complaint("outside RAM");
}

TEST_F(Complaint, DomainZeroInCachingMode) {
    start({.caching_mode = true});
    set_context(id_b, table, 0);
    forget_context(id_b, 0);
    EXPECT_TRUE(writes(b(), iova, memory_a));
    expect_complaint("domain id 0");
}

TEST_F(Complaint, OneDomainForTwoTables) {
    start();
    EXPECT_TRUE(writes(a(), iova, memory_a));
    const std::uint64_t other = new_table();
    map(other, iova, memory_b);
    set_context(id_b, other, 1);
    EXPECT_TRUE(writes(b(), iova, memory_a)) << "the first table's translation is used";
    expect_complaint("domain id 1 is used for one table");
}

TEST_F(Complaint, DomainUsedAgainWithoutInvalidation) {
    start();
    EXPECT_TRUE(writes(a(), iova, memory_a));
    set_context(id_a, new_table(), 1);
    forget_context(id_a, 1);
    EXPECT_TRUE(writes(a(), iova, memory_a)) << "stale";
    expect_complaint("domain id 1 is used for one table");
}

TEST_F(Complaint, WrongDescriptors) {
    const std::pair<std::uint64_t, unsigned> wrong[] = {
        {8, 3},                    // no such type
        {1, 4},                    // granularity 0
        {1 | 1 << 4 | 1 << 6, 4},  // a reserved bit
        {3, 3},                    // no device TLBs here
        {7 | 3 << 4, 5},           // needs 256-bit descriptors
    };
    for (const auto& [descriptor, reason] : wrong) {
        start();
        submit(descriptor);
        EXPECT_EQ(unit().read(reg::iqercd, 8) & 15, reason) << descriptor;
        EXPECT_EQ(fault_status() & 1 << 4, 1u << 4);
        EXPECT_FALSE(waits()) << "the queue stands";
        expect_complaint("is wrong");
        // Overwritten in place, the error cleared: the queue goes on.
        store(queue + unit().read(reg::iqh, 8), 1 | 1 << 4);
        unit().write(reg::fsts, 4, 1 << 4);
        EXPECT_TRUE(waits());
    }
}

TEST_F(Complaint, TailsBeyondTheRing) {
    start();
    unit().write(reg::iqt, 8, 4096);
    expect_complaint("beyond its end");
    EXPECT_EQ(unit().read(reg::iqercd, 8) & 15, 1u);
    boot({.scalable = true});
    enable_queue(true);
    unit().write(reg::iqt, 8, 16);
    expect_complaint("not at a descriptor");
}

TEST_F(Complaint, TheQueueIsMisused) {
    boot(Features{});
    unit().write(reg::iqt, 8, 16);
    expect_complaint("while the queue is not enabled");
    unit().write(reg::iqa, 8, queue);
    store(queue, 1 | 1 << 4);
    command(gcmd::queue);
    expect_complaint("pointers are not zero");
    unit().write(reg::iqa, 8, queue + 4096);
    expect_complaint("address is written while");
    command(gcmd::queue, false);
    expect_complaint("last descriptor was not a wait");
}

TEST_F(Complaint, RegistersAndQueueDoNotMix) {
    start();
    unit().write(reg::ccmd, 8, 1ull << 63 | 1ull << 61);
    expect_complaint("while the queue is enabled");
}

TEST_F(Complaint, PagesThatCannotBeInvalidated) {
    start();
    forget_pages(1, iova, 10);
    expect_complaint("at most 2^9");
    forget_pages(1, iova + 0x1000, 1);
    expect_complaint("not aligned");
    start({.page_selective = false});
    forget_pages(1, iova, 0);
    expect_complaint("on a unit that cannot");
}

TEST_F(Complaint, WidthsAndUnknownRegisters) {
    boot(Features{});
    (void)unit().read(reg::gcmd, 8);
    expect_complaint("a 64-bit access");
    unit().write(reg::cap, 4, 1);
    expect_complaint("cannot be written");
    unit().write(reg::pmen, 4, 1u << 31);
    expect_complaint("protected memory registers");
}

TEST_F(Complaint, ProtectedRegionsAreFixedWhileProtected) {
    boot({.low_protected = true});
    unit().write(reg::plmbase, 4, 0x800000);
    unit().write(reg::plmlimit, 4, 0x800000);
    unit().write(reg::pmen, 4, 1u << 31);
    EXPECT_FALSE(writes(a(), 0x800000, 0x800000));
    EXPECT_FALSE(writes(a(), 0x9ff000, 0x9ff000));
    EXPECT_TRUE(writes(a(), 0xa00000, 0xa00000));
    unit().write(reg::plmbase, 4, 0);
    expect_complaint("changed while it is protected");
}

TEST_F(Complaint, OtherDomainsOfSmallUnits) {
    start({.domain_bits = 4});
    forget_domain(16);
    expect_complaint("domain id 16 of 16");
}

}  // namespace
}  // namespace smmu::model::vtd

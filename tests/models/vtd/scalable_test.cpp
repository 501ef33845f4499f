// SPDX-License-Identifier: Apache-2.0
// Scalable mode, PASIDs, and devices that translate by themselves.
#include "tests/models/vtd/bench.hpp"

namespace smmu::model::vtd {
namespace {

constexpr Features scalable{.major = 6,
                            .fault_registers = 4,
                            .srtp_invalidates = true,
                            .first_stage_1g = true,
                            .device_tlb = true,
                            .pass_through = true,
                            .snoop_control = true,
                            .scalable = true,
                            .first_stage = true,
                            .second_stage = true,
                            .nested = true,
                            .walk_snoop = true,
                            .abort_mode = true,
                            .rid_pasid = true,
                            .pasid_bits = 20};

enum Type : std::uint64_t { first = 1, second = 2, nested = 3, pass_through = 4 };

class Scalable : public Bench {
protected:
    static constexpr std::uint64_t device_tlb_bit = 4, pasid_bit = 8;
    static constexpr std::uint64_t walk_snoop = 1 << 23, page_snoop = 1 << 24;

    void start(const Features& features = scalable) {
        boot(features);
        set_root(1 << 10);
        enable_queue(true);
        submit(1 | 1 << 4);
        submit(7 | 3 << 4);
        submit(2 | 1 << 4);
        EXPECT_TRUE(waits());
        command(gcmd::translation);
    }
    // The device's PASID directory, with one table page for PASIDs 0 to 63.
    std::uint64_t set_device(std::uint16_t source, std::uint64_t bits = 0, std::uint32_t rid = 0) {
        const std::uint64_t contexts = new_table();
        const std::uint64_t directory = new_table();
        const std::uint64_t pasids = new_table();
        store(directory, pasids | present);
        store(root_table + (source >> 8) * 16u + (source & 0x80 ? 8 : 0), contexts | present);
        const std::uint64_t at = contexts + (source & 0x7f) * 32u;
        store(at + 8, rid);
        store(at, directory | bits | present);
        context = at;
        return pasids;
    }
    void set_space(std::uint64_t at, Type type, std::uint64_t second_table,
                   std::uint64_t first_table, std::uint16_t domain,
                   std::uint64_t bits = walk_snoop) {
        store(at + 8, domain | bits);
        store(at + 16, first_table);
        store(at, second_table | 2 << 2 | type << 6 | present);
    }
    void forget_spaces(std::uint16_t domain) { submit(7 | std::uint64_t{domain} << 16); }
    void forget_space(std::uint16_t domain, std::uint32_t pasid) {
        submit(7 | 1 << 4 | std::uint64_t{domain} << 16 | std::uint64_t{pasid} << 32);
    }
    void forget_pasid(std::uint16_t domain, std::uint32_t pasid) {
        submit(6 | 2 << 4 | std::uint64_t{domain} << 16 | std::uint64_t{pasid} << 32);
    }
    static constexpr std::uint64_t first_bits = 7 | 1 << 5 | 1 << 6;  // P, W, U, A, D
    std::uint64_t map_first(std::uint64_t table, std::uint64_t address, std::uint64_t page,
                            std::uint64_t bits = first_bits) {
        return map(table, address, page, bits, 4, 1, first_bits);
    }
    std::uint64_t context = 0;
};

TEST_F(Scalable, SecondStage) {
    start();
    const std::uint64_t table = new_table();
    const std::uint64_t entry = map(table, iova, memory_a);
    const std::uint64_t pasids = set_device(id_a);
    set_space(pasids, second, table, 0, 5);
    EXPECT_TRUE(writes(a(), iova, memory_a));
    EXPECT_TRUE(reads(a(), iova, memory_a));
    EXPECT_FALSE(writes(a(), iova + 0x1000, memory_a));
    EXPECT_EQ(fault(0), (Seen{0x79, id_a, iova + 0x1000, true}));
    EXPECT_FALSE(writes(machine->device(1, 0), iova, memory_a));
    EXPECT_EQ(fault(1)->reason, 0x39u);
    store(entry, 0);
    forget_pasid(5, 0);
    EXPECT_TRUE(writes(a(), iova, memory_a)) << "no second-stage translations";
    forget_pages(5, iova, 0);
    EXPECT_FALSE(writes(a(), iova, memory_a));
}

TEST_F(Scalable, FirstStage) {
    start();
    const std::uint64_t table = new_table();
    const std::uint64_t entry = map_first(table, iova, memory_a);
    set_space(set_device(id_a), first, 0, table, 5);
    EXPECT_TRUE(writes(a(), iova, memory_a));
    EXPECT_FALSE(writes(a(), iova + 0x1000, memory_a));
    EXPECT_EQ(fault(0)->reason, 0x71u);
    EXPECT_FALSE(writes(a(), 1ull << 50, memory_a));
    EXPECT_EQ(fault(1)->reason, 0x80u);
    store(entry, 0);
    forget_pages(5, iova, 0);
    EXPECT_TRUE(writes(a(), iova, memory_a)) << "no first-stage translations";
    forget_pasid(5, 1);
    EXPECT_TRUE(writes(a(), iova, memory_a));
    forget_pasid(5, 0);
    EXPECT_FALSE(writes(a(), iova, memory_a));
}

TEST_F(Scalable, FirstStagePermissionsAndBits) {
    start();
    const std::uint64_t table = new_table();
    map_first(table, iova, memory_a, 5 | 1 << 5);           // read only
    map_first(table, iova + 0x1000, memory_a, 3 | 1 << 5);  // not for users
    const std::uint64_t unused = map_first(table, iova + 0x2000, memory_b, 7);
    set_space(set_device(id_a), first, 0, table, 5);
    EXPECT_TRUE(reads(a(), iova, memory_a));
    EXPECT_FALSE(writes(a(), iova, memory_a));
    EXPECT_EQ(fault(0)->reason, 0x85u);
    EXPECT_FALSE(reads(a(), iova + 0x1000, memory_a));
    EXPECT_EQ(fault(1)->reason, 0x81u);
    EXPECT_TRUE(reads(a(), iova + 0x2000, memory_b));
    EXPECT_EQ(load(unused) & 0x60, 0x20u);
    EXPECT_TRUE(writes(a(), iova + 0x2000, memory_b));
    EXPECT_EQ(load(unused) & 0x60, 0x60u);
}

TEST_F(Scalable, AWalkThatDoesNotSnoopCannotSetBits) {
    start();
    const std::uint64_t table = new_table();
    map_first(table, iova, memory_a, 7);
    set_space(set_device(id_a), first, 0, table, 5, 0);
    EXPECT_FALSE(reads(a(), iova, memory_a));
    EXPECT_EQ(fault(0)->reason, 0x90u);
    expect_complaint("does not snoop");
}

TEST_F(Scalable, NestedTakesTheCommonPermissions) {
    start();
    const std::uint64_t guest = new_table();
    const std::uint64_t host = new_table();
    map_first(guest, iova, 0x10000000);
    map_first(guest, iova + 0x1000, 0x10001000);
    for (std::uint64_t page = guest; page < free_table; page += 4096) map(host, page, page);
    map(host, 0x10000000, memory_a);
    map(host, 0x10001000, memory_b, readable);
    set_space(set_device(id_a), nested, host, guest, 5);
    EXPECT_TRUE(writes(a(), iova, memory_a));
    EXPECT_TRUE(reads(a(), iova + 0x1000, memory_b));
    EXPECT_FALSE(writes(a(), iova + 0x1000, memory_b));
}

TEST_F(Scalable, PassThroughAndItsEnd) {
    start();
    const std::uint64_t pasids = set_device(id_a);
    set_space(pasids, pass_through, 0, 0, 5);
    EXPECT_TRUE(writes(a(), memory_a, memory_a));
    store(pasids, 0);
    forget_spaces(6);
    forget_space(5, 1);
    submit(2 | 1 << 4);
    EXPECT_TRUE(writes(a(), memory_a, memory_a));
    forget_space(5, 0);
    EXPECT_FALSE(writes(a(), memory_a, memory_a));
    EXPECT_EQ(fault(0)->reason, 0x59u);
}

TEST_F(Scalable, ContextEntriesStayToo) {
    start();
    set_space(set_device(id_a), pass_through, 0, 0, 5);
    EXPECT_TRUE(writes(a(), memory_a, memory_a));
    store(context, 0);
    forget_spaces(5);
    EXPECT_TRUE(writes(a(), memory_a, memory_a));
    forget_context(id_a, 0);
    EXPECT_FALSE(writes(a(), memory_a, memory_a));
    EXPECT_EQ(fault(0)->reason, 0x41u);
}

TEST_F(Scalable, RequestsWithoutAPasidUseTheEntrysOwn) {
    start();
    const std::uint64_t pasids = set_device(id_a, 0, 9);
    set_space(pasids + 9 * 64, pass_through, 0, 0, 5);
    EXPECT_TRUE(writes(a(), memory_a, memory_a));
}

TEST_F(Scalable, RequestsWithAPasidNeedASpaceOfTheirOwn) {
    start();
    const std::uint64_t with_pasid = 8 | 7ull << 32;
    const std::uint64_t pasids = set_device(id_ats);
    set_space(pasids, pass_through, 0, 0, 5);
    ats().write(0xa0, 8, with_pasid);
    EXPECT_FALSE(writes(ats(), memory_a, memory_a));
    EXPECT_EQ(fault(0)->reason, 0x45u);
    store(context, load(context) | pasid_bit);
    forget_context(id_ats, 0);
    EXPECT_FALSE(writes(ats(), memory_a, memory_a));
    EXPECT_EQ(fault(1)->reason, 0x59u);
    set_space(pasids + 7 * 64, pass_through, 0, 0, 5);
    EXPECT_TRUE(writes(ats(), memory_a, memory_a));
}

TEST_F(Scalable, SnoopingIsForcedByTheEntry) {
    start();
    const std::uint64_t pasids = set_device(id_ats);
    set_space(pasids, pass_through, 0, 0, 5);
    ats().write(0xa0, 8, 4);
    EXPECT_TRUE(writes(ats(), memory_a, memory_a));
    EXPECT_EQ(ats().read(0xc0, 8), 1u);
    set_space(pasids, pass_through, 0, 0, 5, walk_snoop | page_snoop);
    forget_space(5, 0);
    EXPECT_TRUE(writes(ats(), memory_a, memory_a));
    EXPECT_EQ(ats().read(0xc0, 8), 1u);
}

TEST_F(Scalable, TranslatedRequestsNeedTheEntrysLeave) {
    start();
    set_space(set_device(id_ats), second, new_table(), 0, 5);
    ats().write(0xa0, 8, 2);
    EXPECT_FALSE(writes(ats(), memory_a, memory_a));
    EXPECT_EQ(fault(0)->reason, 0x44u);
    store(context, load(context) | device_tlb_bit);
    forget_context(id_ats, 0);
    EXPECT_TRUE(writes(ats(), memory_a, memory_a));
}

TEST_F(Scalable, AbortModeRefusesAll) {
    boot(scalable);
    set_root(3 << 10);
    enable_queue(true);
    command(gcmd::translation);
    EXPECT_FALSE(writes(a(), memory_a, memory_a));
    EXPECT_EQ(fault(0)->reason, 0x33u);
}

TEST_F(Scalable, ScalableModeNeedsWideDescriptors) {
    boot(scalable);
    set_root(1 << 10);
    enable_queue();
    command(gcmd::translation);
    submit(1 | 1 << 4);
    EXPECT_EQ(unit().read(reg::iqercd, 8) & 15, 5u);
    expect_complaint("is wrong (5)");
}

class Ats : public Bench {
protected:
    void start(unsigned type) {
        boot({.fault_registers = 4, .device_tlb = true});
        table = new_table();
        entry = map(table, iova, memory_a, readable);
        set_context(id_ats, table, 1, 4, type);
        enable();
        config(id_ats, 0x104, 4, 1u << 31);
    }
    std::uint64_t table = 0;
    std::uint64_t entry = 0;
};

TEST_F(Ats, TranslatedRequestsAreRefusedUnlessTheEntryAllowsThem) {
    start(0);
    for (const std::uint64_t type : {1u, 2u}) {
        ats().write(0xa0, 8, type);
        EXPECT_FALSE(writes(ats(), memory_b, memory_b));
        EXPECT_EQ(fault(unsigned(type) - 1)->reason, 0xdu);
    }
    ats().write(0xa0, 8, 0);
    EXPECT_TRUE(reads(ats(), iova, memory_a));
}

TEST_F(Ats, ADeviceThatMayPassesTheTables) {
    start(1);
    ats().write(0xa0, 8, 2);
    EXPECT_TRUE(writes(ats(), memory_b, memory_b)) << "any address: such devices are trusted";
    ats().write(0xa0, 8, 1);
    (void)reads(ats(), iova, memory_a);
    EXPECT_EQ(ats().read(0xa8, 8), memory_a | 1) << "readable only";
    (void)reads(ats(), iova + 0x1000, memory_a);
    EXPECT_EQ(ats().read(0xa8, 8), 0u);
    EXPECT_EQ(fault(0), std::nullopt);
}

TEST_F(Ats, TheDeviceKeepsTranslationsUntilItIsTold) {
    start(1);
    ats().write(0xa0, 8, 3);
    EXPECT_TRUE(reads(ats(), iova, memory_a));
    store(entry, 0);
    forget_domain(1);
    EXPECT_TRUE(reads(ats(), iova, memory_a));
    submit(3 | std::uint64_t{id_ats} << 32, iova + 0x1000);
    EXPECT_TRUE(reads(ats(), iova, memory_a));
    submit(3 | std::uint64_t{id_ats} << 32, (~0ull >> 1 & ~0xfffull) | 1);
    EXPECT_FALSE(reads(ats(), iova, memory_a));
}

TEST_F(Ats, WithoutTranslationOnlyPlainRequestsPass) {
    boot({.device_tlb = true});
    ats().write(0xa0, 8, 2);
    EXPECT_FALSE(writes(ats(), memory_b, memory_b));
}

}  // namespace
}  // namespace smmu::model::vtd

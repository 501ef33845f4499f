// SPDX-License-Identifier: Apache-2.0
// What the unit must be made to forget, and when: pages, domains, contexts, absences, buffered
// writes.
#include "units/vtd/caches.hpp"
#include "bench.hpp"

namespace bench {
namespace {

using units::Recording;
using units::vtd::Features;
using units::vtd::Invalidate;
using units::vtd::requests_for;

IovaRange pages(std::uint64_t first, std::uint64_t count) {
    return {{first * page}, {(first + count) * page - 1}};
}

Features page_selective(unsigned largest_mask) {
    Features features;
    features.page_selective = true;
    features.largest_address_mask = largest_mask;
    return features;
}

TEST(PageSelection, CoversTheRangeWithAlignedPowersOfTwo) {
    for (const auto& [first, count] :
         std::vector<std::pair<std::uint64_t, std::uint64_t>>{{0, 1},
                                                              {5, 1},
                                                              {5, 2},
                                                              {6, 2},
                                                              {7, 9},
                                                              {511, 2},
                                                              {512, 512},
                                                              {1, 512},
                                                              {0x7'ffff'ffff, 2},
                                                              {3, 4095}}) {
        const IovaRange range[] = {pages(first, count)};
        const auto requests = requests_for(range, 7, true, page_selective(18));
        ASSERT_LE(requests.size(), 2u);
        std::uint64_t next = first;
        for (const Invalidate& request : requests) {
            ASSERT_EQ(request.what, Invalidate::What::pages);
            EXPECT_EQ(request.domain, 7);
            EXPECT_TRUE(request.leaf_only);
            const std::uint64_t size = std::uint64_t{1} << request.address_mask;
            EXPECT_EQ(request.address.value / page % size, 0u);
            EXPECT_LE(request.address.value / page, next);
            EXPECT_LT(size, 2 * count + 1);
            next = request.address.value / page + size;
        }
        EXPECT_GE(next, first + count);
    }
}

TEST(PageSelection, LargestMaskIsRespected) {
    const IovaRange range[] = {pages(0, 4096)};
    const auto many = requests_for(range, 7, false, page_selective(9));
    ASSERT_EQ(many.size(), 8u);
    for (const Invalidate& request : many) EXPECT_EQ(request.address_mask, 9u);
    EXPECT_EQ(many[7].address.value, 7 * 512 * page);
    const auto whole = requests_for(range, 7, false, page_selective(7));
    ASSERT_EQ(whole.size(), 1u);
    EXPECT_EQ(whole[0].what, Invalidate::What::translations_of_domain);
}

TEST(PageSelection, ManyPiecesOrNoPageSelectionMeanTheWholeDomain) {
    std::vector<IovaRange> ranges;
    for (std::uint64_t i = 0; i < 16; ++i) ranges.push_back(pages(4 * i, 1));
    EXPECT_EQ(requests_for(ranges, 7, true, page_selective(18)).size(), 16u);
    ranges.push_back(pages(1000, 1));
    const auto whole = requests_for(ranges, 7, true, page_selective(18));
    ASSERT_EQ(whole.size(), 1u);
    EXPECT_EQ(whole[0].what, Invalidate::What::translations_of_domain);
    Features none = page_selective(18);
    none.page_selective = false;
    EXPECT_EQ(requests_for(std::span(ranges).first(1), 7, true, none)[0].what,
              Invalidate::What::translations_of_domain);
}

TEST(Unmap, ForgetsWhatWasCachedAndNoMore) {
    Bench bench;
    ASSERT_TRUE(bench.take_over());
    ASSERT_TRUE(map(*bench.first, 0x6000, 0x7000'6000, page));
    EXPECT_TRUE(bench.passes(nic, 0x5000) && bench.passes(nic, 0x6000));
    const std::size_t before = bench.unit.commands.size();
    ASSERT_TRUE(unmap(*bench.first, 0x5000, page));
    EXPECT_FALSE(bench.passes(nic, 0x5000));
    EXPECT_TRUE(bench.passes(nic, 0x6000));
    // One leaf of a table that stays: only leaves, one wait.
    ASSERT_EQ(bench.unit.commands.size(), before + 2);
    EXPECT_TRUE(bench.unit.commands[before].ends_with(" 5 0 leaf")) << bench.unit.commands[before];
    EXPECT_EQ(bench.unit.commands[before + 1], "wait");
    // The last leaf takes its tables with it: what the unit remembers of the walk goes too, and the
    // frames may hold anything afterwards.
    const std::size_t until_last = bench.unit.commands.size();
    ASSERT_TRUE(unmap(*bench.first, 0x6000, page));
    ASSERT_EQ(bench.unit.commands.size(), until_last + 2);
    EXPECT_TRUE(bench.unit.commands[until_last].ends_with(" 6 0")) << bench.unit.commands[until_last];
    EXPECT_FALSE(bench.passes(nic, 0x6000));
    ASSERT_TRUE(map(*bench.first, 0x4000'0000, 0x7000'6000, page));
    EXPECT_FALSE(bench.passes(nic, 0x6000));
    EXPECT_TRUE(bench.passes(nic, 0x4000'0000));
    bench.end();
}

TEST(Unmap, NothingMappedAsksForNothingOnOrdinaryUnits) {
    Bench bench;
    ASSERT_TRUE(bench.take_over());
    const std::size_t commands = bench.unit.commands.size();
    ASSERT_TRUE(map(*bench.first, 0x9000, 0x7000'9000, page));
    EXPECT_EQ(bench.unit.commands.size(), commands);
    EXPECT_EQ(bench.unit.buffer_flushes, 0);
    EXPECT_TRUE(bench.passes(nic, 0x9000));
    bench.end();
}

TEST(Unmap, UnitsWithoutDrainAreNotAskedForIt) {
    Bench bench({.drains = false});
    EXPECT_FALSE(bench.iommu().capabilities().drains);
    ASSERT_TRUE(bench.take_over());
    ASSERT_TRUE(unmap(*bench.first, 0x5000, page));
    bench.end();
}

TEST(CachingMode, WhatAppearsIsNotHiddenByCachedAbsence) {
    Bench bench({.caching_mode = true});
    ASSERT_TRUE(bench.take_over());
    EXPECT_FALSE(bench.passes(nic, 0x9000));
    EXPECT_FALSE(bench.passes(remote, 0x5000));
    ASSERT_TRUE(map(*bench.first, 0x9000, 0x7000'9000, page));
    EXPECT_TRUE(bench.passes(nic, 0x9000));
    // A stream of a bus nobody knew, whose absence the unit remembers.
    ASSERT_TRUE(bench.iommu().attach(StreamId{remote}, *bench.first));
    EXPECT_TRUE(bench.passes(remote, 0x9000));
    ASSERT_TRUE(bench.iommu().block(StreamId{remote}, Recording::on));
    EXPECT_FALSE(bench.passes(remote, 0x9000));
    bench.end();
}

TEST(WriteBuffer, IsFlushedWhereNoInvalidationDoesIt) {
    Bench bench({.write_buffer = true});
    ASSERT_TRUE(bench.take_over());
    int flushes = bench.unit.buffer_flushes;
    EXPECT_GT(flushes, 0);
    ASSERT_TRUE(map(*bench.first, 0x9000, 0x7000'9000, page));
    EXPECT_EQ(bench.unit.buffer_flushes, ++flushes);
    ASSERT_TRUE(unmap(*bench.first, 0x9000, page));
    EXPECT_EQ(bench.unit.buffer_flushes, flushes);  // the invalidation did it
    ASSERT_TRUE(bench.iommu().attach(StreamId{remote}, *bench.first));
    EXPECT_EQ(bench.unit.buffer_flushes, ++flushes);
    ASSERT_TRUE(bench.iommu().block(StreamId{remote}, Recording::on));
    bench.end();
}

TEST(NotSnooping, TablesReachTheUnitAllTheSame) {
    Bench bench({.coherent = false});
    EXPECT_FALSE(bench.iommu().capabilities().coherent);
    ASSERT_TRUE(bench.take_over());
    EXPECT_TRUE(bench.passes(nic, 0x5000));
    ASSERT_TRUE(bench.iommu().block(StreamId{nic}, Recording::on));
    EXPECT_FALSE(bench.passes(nic, 0x5000));
    bench.end();
}

TEST(Streams, MovesForgetTheOldDomain) {
    Bench bench;
    ASSERT_TRUE(bench.take_over());
    auto second = bench.service.space();
    ASSERT_TRUE(map(*second, 0x5000, 0x7111'5000, page));
    EXPECT_EQ(bench.unit.dma(nic, 0x5000, true).address, 0x7000'5000u);
    EXPECT_EQ(bench.unit.dma(disk, 0x5000, true).reason, 5u);
    const std::uint64_t contexts = bench.unit.word(bench.unit.latched_root) & ~0xfffull;
    const std::uint64_t old_id = bench.unit.word(contexts + 16 * nic + 8) >> 8;
    const std::size_t before = bench.unit.commands.size();
    ASSERT_TRUE(bench.iommu().attach(StreamId{nic}, *second));
    EXPECT_EQ(
        std::vector<std::string>(bench.unit.commands.begin() + static_cast<std::ptrdiff_t>(before),
                                 bench.unit.commands.end()),
        (std::vector<std::string>{"context device " + std::to_string(old_id) + " 18", "wait fence",
                                  "iotlb domain " + std::to_string(old_id), "wait"}));
    EXPECT_EQ(bench.unit.dma(nic, 0x5000, true).address, 0x7111'5000u);
    ASSERT_TRUE(bench.iommu().attach(StreamId{disk}, *second));
    EXPECT_TRUE(bench.passes(disk, 0x5000));
    // Again: nothing to do.
    const std::size_t commands = bench.unit.commands.size();
    ASSERT_TRUE(bench.iommu().attach(StreamId{disk}, *second));
    EXPECT_EQ(bench.unit.commands.size(), commands);
    for (const std::uint16_t source : {nic, disk}) {
        ASSERT_TRUE(bench.iommu().block(StreamId{source}, Recording::on));
        EXPECT_FALSE(bench.passes(source, 0x5000));
    }
    bench.service.retire(second);
    bench.end();
}

TEST(Streams, MutingSilencesRefusalsAndNothingElse) {
    Bench bench;
    ASSERT_TRUE(bench.take_over());
    ASSERT_TRUE(bench.iommu().record(StreamId{nic}, Recording::muted));
    EXPECT_TRUE(bench.passes(nic, 0x5000));
    EXPECT_FALSE(bench.passes(nic, 0x9000));
    ASSERT_TRUE(bench.iommu().block(StreamId{disk}, Recording::muted));
    EXPECT_FALSE(bench.passes(disk, 0x5000));
    Collected refusals;
    EXPECT_EQ(bench.iommu().drain(refusals).seen, 0u);
    ASSERT_TRUE(bench.iommu().record(StreamId{nic}, Recording::on));
    ASSERT_TRUE(bench.iommu().record(StreamId{disk}, Recording::on));
    EXPECT_TRUE(bench.passes(nic, 0x5000));
    EXPECT_FALSE(bench.passes(nic, 0x9000));
    EXPECT_FALSE(bench.passes(disk, 0x5000));
    EXPECT_EQ(bench.iommu().drain(refusals).seen, 2u);
    bench.end();
}

TEST(Streams, LeavingKeepsWhatIsKeptAndClosesTheRest) {
    Bench bench;
    ASSERT_TRUE(bench.take_over());
    ASSERT_TRUE(bench.iommu().attach(StreamId{disk}, *bench.first));
    ASSERT_TRUE(bench.iommu().attach(StreamId{remote}, *bench.first));
    EXPECT_TRUE(bench.passes(disk, 0x5000) && bench.passes(remote, 0x5000));
    const units::Assignment kept[] = {{StreamId{nic}, bench.first.get()}};
    ASSERT_TRUE(bench.iommu().leave(kept));
    EXPECT_TRUE(bench.passes(nic, 0x5000));
    EXPECT_FALSE(bench.passes(disk, 0x5000));
    EXPECT_FALSE(bench.passes(remote, 0x5000));
    EXPECT_NE(bench.unit.status & 0x8000'0000, 0u);
    ASSERT_TRUE(bench.iommu().leave({}));
    EXPECT_FALSE(bench.passes(nic, 0x5000));
    bench.end();
}

TEST(Streams, CallsBeforeTakeOverAndBadOnesAreRefused) {
    Bench bench;
    EXPECT_EQ(bench.iommu().attach(StreamId{nic}, *bench.first).error().code, EINVAL);
    EXPECT_EQ(bench.iommu().block(StreamId{nic}, Recording::on).error().code, EINVAL);
    ASSERT_TRUE(bench.take_over());
    EXPECT_EQ(bench.iommu().attach(StreamId{0x1'0000}, *bench.first).error().code, EINVAL);
    Bench other;
    EXPECT_EQ(bench.iommu().attach(StreamId{nic}, *other.first).error().code, EINVAL);
    other.end();
    bench.end();
}

}  // namespace
}  // namespace bench

// SPDX-License-Identifier: Apache-2.0
// The fault recording registers: circular, sticky, several, overflowing.
#include <set>

#include "bench.hpp"
#include "units/vtd/fault_reasons.hpp"

namespace bench {
namespace {

using units::Refusal;

TEST(Faults, AreDecodedOldestFirst) {
    Bench bench;
    ASSERT_TRUE(bench.take_over());
    ASSERT_TRUE(map(*bench.first, 0x8000, 0x7000'8000, page, Access::read));
    bench.unit.dma(nic, 0x6123, true);
    bench.unit.dma(nic, 0x8008, true);
    bench.unit.dma(disk, 0x5000, false);
    bench.unit.dma(0x30, 0x9000, false);
    bench.unit.dma(remote, 0xa000, true);
    Collected seen;
    const units::Drained drained = bench.iommu().drain(seen);
    EXPECT_EQ(drained.seen, 5u);
    EXPECT_EQ(drained.lost, 0u);
    EXPECT_FALSE(drained.more);
    ASSERT_EQ(seen.all.size(), 5u);
    EXPECT_EQ(seen.all[0].stream, StreamId{nic});
    EXPECT_EQ(seen.all[0].address, Iova{0x6000});
    EXPECT_EQ(seen.all[0].access, Access::write);
    EXPECT_EQ(seen.all[0].reason, Refusal::Reason::not_mapped);
    EXPECT_EQ(seen.all[0].stage, 2);
    EXPECT_EQ(seen.all[0].raw[0], 0x6000u);
    // The same words of the hardware, but the page is there.
    EXPECT_EQ(seen.all[1].reason, Refusal::Reason::permission);
    EXPECT_EQ(seen.all[1].address, Iova{0x8000});
    EXPECT_EQ(seen.all[2].stream, StreamId{disk});
    EXPECT_EQ(seen.all[2].access, Access::read);
    EXPECT_EQ(seen.all[3].reason, Refusal::Reason::unknown_stream);
    EXPECT_STREQ(seen.all[3].hardware_text, "context entry not present");
    EXPECT_STREQ(seen.all[4].hardware_text, "root entry not present");
    Collected none;
    EXPECT_EQ(bench.iommu().drain(none).seen, 0u);
    bench.end();
}

TEST(Faults, OverflowIsALowerBoundAndClears) {
    Bench bench({.fault_records = 4});
    ASSERT_TRUE(bench.take_over());
    for (std::uint64_t i = 0; i < 10; ++i) bench.unit.dma(nic, 0x10'0000 + i * page, true);
    Collected seen;
    units::Drained drained = bench.iommu().drain(seen);
    EXPECT_EQ(drained.seen, 4u);
    EXPECT_GE(drained.lost, 1u);
    EXPECT_EQ(bench.unit.faults & 1, 0u);
    bench.unit.dma(nic, 0x20'0000, true);
    drained = bench.iommu().drain(seen);
    EXPECT_EQ(drained.seen, 1u);
    EXPECT_EQ(drained.lost, 0u);
    bench.end();
}

TEST(Faults, RecordsWrapAround) {
    Bench bench({.fault_records = 4});
    ASSERT_TRUE(bench.take_over());
    const auto put = [&](std::size_t slot, std::uint64_t address) {
        bench.unit.records[slot] = {address, 1ull << 63 | 5ull << 32 | nic};
    };
    put(3, 0x1000);
    put(0, 0x2000);
    put(1, 0x3000);
    Collected seen;
    EXPECT_EQ(bench.iommu().drain(seen).seen, 3u);
    ASSERT_EQ(seen.all.size(), 3u);
    EXPECT_EQ(seen.all[0].address, Iova{0x1000});
    EXPECT_EQ(seen.all[1].address, Iova{0x2000});
    EXPECT_EQ(seen.all[2].address, Iova{0x3000});
    bench.end();
}

TEST(Faults, OneCallIsBounded) {
    Bench bench({.fault_records = 100});
    ASSERT_TRUE(bench.take_over());
    for (std::uint64_t i = 0; i < 100; ++i) bench.unit.dma(nic, 0x10'0000 + i * page, true);
    Collected seen;
    units::Drained drained = bench.iommu().drain(seen);
    EXPECT_EQ(drained.seen, 64u);
    EXPECT_TRUE(drained.more);
    drained = bench.iommu().drain(seen);
    EXPECT_EQ(drained.seen, 36u);
    EXPECT_FALSE(drained.more);
    std::set<std::uint64_t> addresses;
    for (const Refusal& refusal : seen.all) addresses.insert(refusal.address.value);
    EXPECT_EQ(addresses.size(), 100u);
    bench.end();
}

TEST(Faults, WhatWasThereBeforeIsNotReported) {
    Bench bench;
    bench.unit.records[2] = {0x1000, 1ull << 63 | 5ull << 32 | nic};
    bench.unit.faults = 1;
    ASSERT_TRUE(bench.take_over());
    Collected seen;
    EXPECT_EQ(bench.iommu().drain(seen).seen, 0u);
    EXPECT_EQ(seen.all.size(), 0u);
    bench.end();
}

TEST(Faults, AccessesAndUnknownAddresses) {
    Bench bench;
    ASSERT_TRUE(bench.take_over());
    bench.unit.record(nic, 0x7000, 5, 3);     // atomic
    bench.unit.record(nic, 0x7000, 0x25, 0);  // interrupt: the address field holds no address
    bench.unit.record(nic, 0x7000, 0x32, 1);  // page request
    bench.unit.record(nic, 0x7000, 0xc, 2);
    Collected seen;
    bench.iommu().drain(seen);
    ASSERT_EQ(seen.all.size(), 4u);
    EXPECT_EQ(seen.all[0].access, read_write);
    EXPECT_FALSE(seen.all[1].address_known);
    EXPECT_EQ(seen.all[2].access, Access::none);
    EXPECT_EQ(seen.all[3].reason, Refusal::Reason::configuration);
    bench.end();
}

TEST(Faults, EveryCodeHasWords) {
    for (unsigned code = 0; code < 256; ++code) {
        const auto reason = units::vtd::fault_reason(static_cast<std::uint8_t>(code));
        EXPECT_EQ(reason.code, code);
        EXPECT_GT(std::string(reason.text).size(), 5u);
        EXPECT_EQ(reason.address_known, code < 0x20 || code > 0x2f);
    }
    EXPECT_STREQ(units::vtd::fault_reason(0xff).text, "reason not known to this driver");
    EXPECT_EQ(units::vtd::fault_reason(1).reason, Refusal::Reason::unknown_stream);
    EXPECT_EQ(units::vtd::fault_reason(0x33).reason, Refusal::Reason::other);
}

}  // namespace
}  // namespace bench

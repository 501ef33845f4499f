// SPDX-License-Identifier: Apache-2.0
// Streams and spaces of a unit that contains: moves, with DMA of every micro-TLB after each register write, contexts, faults.
#include "tests/unit/ipmmu/driver_bench.hpp"

namespace smmu::units::ipmmu::test {
namespace {

class Streams : public DriverBench {
protected:
    // An access of a device, so that a fault names its context.
    void stray(std::string_view cache, unsigned slot, std::uint64_t address, bool write = true) {
        EXPECT_FALSE(dma(cache, slot, address, write));
    }
    std::vector<Refusal> drain() {
        Collected seen;
        const std::uint64_t told = driver->drain(seen).seen;
        EXPECT_EQ(told, seen.all.size());
        return seen.all;
    }
};

// From its own memory to another's by one write, and back to nothing: never anywhere else.
TEST_F(Streams, AStreamMovesByOneWrite) {
    for (const char* const name : {"h3-es2", "h3-es3"}) {
        SCOPED_TRACE(name);
        start(name);
        contain();
        AddressSpace& other = new_space();
        ASSERT_TRUE(grant(other, memory_a, memory_a + page));
        std::set<std::uint64_t> arrived;
        const auto sees = [&](bool refused_too) {
            watch(false);
            line.after_write = [&, refused_too, rest = std::move(line.after_write)] {
                rest();
                const auto at = dma("ds1", 32, memory_a);
                EXPECT_TRUE(at ? *at == memory_a || *at == memory_a + page : refused_too);
                if (at) arrived.insert(*at);
            };
        };
        sees(false);
        ASSERT_TRUE(driver->attach(sdhi(0), other));
        EXPECT_EQ(arrived.count(memory_a + page), 1u);
        sees(true);
        ASSERT_TRUE(driver->block(sdhi(0), Recording::on));
        EXPECT_FALSE(reaches(0, memory_a));
        ASSERT_TRUE(driver->attach(sdhi(0), *granted));
        ASSERT_TRUE(driver->attach(sdhi(3), *granted)) << "both share the context";
        stop_watching();
        EXPECT_EQ(dma("ds1", 32, memory_a), memory_a);
        EXPECT_EQ(dma("ds1", 35, memory_a), memory_a);
        retire(other);
        EXPECT_EQ(open_ports(), "");
        EXPECT_TRUE(driver->recheck());
        end_driver();
        EXPECT_TRUE(machine->complaints().all().empty()) << testing::PrintToString(machine->complaints().all());
    }
}

// A space is on every cache unit that one of its devices is behind, and forgotten on all of them.
TEST_F(Streams, OneSpaceBehindSeveralCacheUnits) {
    start("h3-es2");
    contain();
    ASSERT_TRUE(driver->attach(stream("ds0", 16), *granted));
    ASSERT_TRUE(driver->attach(stream("hc", 2), *granted));
    ASSERT_TRUE(grant(*granted, 0x5000, memory_a + page));
    for (const auto& [cache, slot] : {std::pair{"ds0", 16u}, std::pair{"hc", 2u}, std::pair{"ds1", 32u}})
        EXPECT_EQ(dma(cache, slot, 0x5000), memory_a + page) << cache;
    ASSERT_TRUE(revoke(*granted, 0x5000));
    for (const auto& [cache, slot] : {std::pair{"ds0", 16u}, std::pair{"hc", 2u}, std::pair{"ds1", 32u}})
        EXPECT_FALSE(dma(cache, slot, 0x5000)) << cache;
}

TEST_F(Streams, ContextsRunOutAndComeBack) {
    start("h3-es3");
    contain();
    for (unsigned i = 1; i < 6; ++i) ASSERT_TRUE(driver->attach(stream("ds0", i), new_space()));
    const auto refused = driver->create_space(account);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ENOSPC);
    EXPECT_NE(refused.error().text.find("all 6 contexts"), std::string::npos) << refused.error().text;
    ASSERT_TRUE(driver->block(stream("ds0", 5), Recording::on));
    retire(*spaces.back());
    AddressSpace& again = new_space();
    ASSERT_TRUE(grant(again, 0x7000, memory_a));
    ASSERT_TRUE(driver->attach(stream("ds0", 7), again));
    EXPECT_TRUE(dma("ds0", 7, 0x7000));
    EXPECT_EQ(driver->report().spaces, 6u);
}

TEST_F(Streams, AMicroTlbThatIsNotThereCannotBeAttached) {
    start("h3-es3");
    contain();
    for (const StreamId missing : {stream("ds1", 47), stream("ds1", 200), micro_tlb(77, 0)}) {
        const auto attached = driver->attach(missing, *granted);
        ASSERT_FALSE(attached);
        EXPECT_EQ(attached.error().code, EINVAL);
    }
    EXPECT_EQ(driver->state(), UnitState::containing);
}

TEST_F(Streams, FaultsAreToldOfTheContextsStream) {
    start("h3-es2");
    contain();
    stray("ds1", 32, 0x9123);
    auto seen = drain();
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen[0].stream, sdhi(0));
    EXPECT_TRUE(seen[0].stream_known);
    EXPECT_EQ(seen[0].address, Iova{0x9123});
    EXPECT_EQ(seen[0].reason, Refusal::Reason::not_mapped);
    EXPECT_EQ(seen[0].access, Access::none) << "nobody says";
    EXPECT_TRUE(drain().empty());

    ASSERT_TRUE(revoke(*granted, memory_a));
    ASSERT_TRUE(grant(*granted, memory_a, memory_a, Access::read));
    stray("ds1", 32, memory_a);
    seen = drain();
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen[0].reason, Refusal::Reason::permission);
    EXPECT_EQ(seen[0].access, Access::write) << "what is mapped can be read";

    ASSERT_TRUE(driver->attach(sdhi(2), *granted));
    stray("ds1", 34, 0x9000);
    seen = drain();
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_FALSE(seen[0].stream_known);
    EXPECT_EQ(seen[0].stream, sdhi(0)) << "the lowest";

    // Of all that refuse, one that somebody knows.
    stray("ds0", 3, 0x8000);
    seen = drain();
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_FALSE(seen[0].stream_known);
    EXPECT_EQ(seen[0].stream, sdhi(1));
}

TEST_F(Streams, AFaultIsTheStreamsThatWasTiedThen) {
    start("h3-es3");
    contain();
    stray("ds1", 32, 0x9000);
    ASSERT_TRUE(driver->block(sdhi(0), Recording::on));
    ASSERT_TRUE(driver->attach(sdhi(2), *granted));
    const auto seen = drain();
    ASSERT_EQ(seen.size(), 1u);
    EXPECT_EQ(seen[0].stream, sdhi(0));
    EXPECT_TRUE(seen[0].stream_known);
}

TEST_F(Streams, AMutedStreamIsNotRecordedAndItsDmaGoesOn) {
    start("h3-es3");
    contain();
    ASSERT_TRUE(driver->record(sdhi(0), Recording::muted));
    stray("ds1", 32, 0x9000);
    EXPECT_TRUE(drain().empty());
    EXPECT_TRUE(reaches(0, memory_a));
    ASSERT_TRUE(driver->record(sdhi(0), Recording::on));
    stray("ds1", 32, 0x9000);
    EXPECT_EQ(drain().size(), 1u);
}

TEST_F(Streams, StageTwoSaysWriteAlone) {
    start("h3-es3");
    contain();
    ASSERT_TRUE(grant(*granted, 0x5000, memory_a, Access::write));
    EXPECT_TRUE(dma("ds1", 32, 0x5000, true));
    EXPECT_FALSE(dma("ds1", 32, 0x5000, false));
}

TEST_F(Streams, WhatIsLeftBehindIsWhatWasAskedFor) {
    start("h3-es3");
    contain();
    ASSERT_TRUE(driver->attach(sdhi(2), *granted));
    watch(true);
    const Assignment kept[] = {{sdhi(0), granted}};
    ASSERT_TRUE(driver->leave(kept));
    stop_watching();
    EXPECT_TRUE(reaches(0, memory_a));
    EXPECT_FALSE(reaches(2, memory_a));
}

}  // namespace
}  // namespace smmu::units::ipmmu::test

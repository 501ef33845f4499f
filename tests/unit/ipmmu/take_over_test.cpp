// SPDX-License-Identifier: Apache-2.0
// Take-over from every state, with DMA of every micro-TLB after each register write.
#include "tests/unit/ipmmu/driver_bench.hpp"

namespace smmu::units::ipmmu::test {
namespace {

using model::rcar::Domain;

class TakingOver : public DriverBench {};
class EveryProduct : public DriverBench, public testing::WithParamInterface<const char*> {};

TEST_P(EveryProduct, ContainsWhatItIsGiven) {
    start(GetParam());
    open();
    const bool is_gen4 = machine->facts().product.generation == 4;
    const StreamId known = is_gen4 ? stream("ds0", 32) : sdhi(0);
    const char* const cache = is_gen4 ? "ds0" : "ds1";
    AddressSpace& space = new_space();
    ASSERT_TRUE(grant(space, 0x5000, memory_a));
    const Assignment assignments[] = {{known, &space}};
    const auto taken = driver->take_over(assignments);
    ASSERT_TRUE(taken) << taken.error().text;
    EXPECT_EQ(taken->found, Found::off);
    EXPECT_EQ(dma(cache, 32, 0x5010), memory_a + 0x10);
    EXPECT_FALSE(dma(cache, 32, 0x6000));
    EXPECT_EQ(open_ports(), "");
    EXPECT_TRUE(driver->recheck());
    EXPECT_EQ(driver->state(), UnitState::containing);
    EXPECT_EQ(driver->report().spaces_possible, is_gen4 ? 14u : 6u);
    ASSERT_TRUE(revoke(space, 0x5000));
    EXPECT_FALSE(dma(cache, 32, 0x5010));
}

INSTANTIATE_TEST_SUITE_P(Products, EveryProduct, testing::Values("h3-es1", "h3-es2", "h3-es3", "v4h"), [](const auto& name) {
    std::string text = name.param;
    std::erase(text, '-');
    return text;
});

// The board's description knows one cache unit; the chip has more, with masters that nobody names.
TEST_F(TakingOver, WhatTheDescriptionDoesNotNameRefusesToo) {
    start("h3-es3");
    describe_only("ds1");
    contain();
    EXPECT_EQ(open_ports(), "");
    EXPECT_TRUE(reaches(0, memory_a));
    const std::string mode = driver->report().mode;
    for (const char* const name : {"ds0", "hc", "vp1", "ir"}) EXPECT_NE(mode.find(name), mode.npos) << mode;
    EXPECT_EQ(driver->report().version, "R-Car H3 ES3 (0x4f.0x20)");
}

TEST_F(TakingOver, AUnitThatIsOffIsClosedPortByPort) {
    for (const char* const name : {"h3-es1", "h3-es2", "h3-es3"}) {
        SCOPED_TRACE(name);
        start(name);
        open();
        granted = &new_space();
        ASSERT_TRUE(grant(*granted, memory_a, memory_a));
        watch(true);
        ASSERT_TRUE(take_over());
        stop_watching();
        EXPECT_EQ(open_ports(), "");
        EXPECT_TRUE(machine->complaints().all().empty()) << testing::PrintToString(machine->complaints().all());
        end_driver();
    }
}

TEST_F(TakingOver, SomebodyElsesTablesAreLeftByWayOfTheRefusingContext) {
    start("h3-es3");
    const std::uint64_t root = new_table();
    model::rcar::Bench::map(root, memory_b, memory_b);
    program(3, root);
    join("ds1", 3);
    tie("ds1", 34, 3);
    EXPECT_TRUE(reaches(2, memory_b));
    open();
    granted = &new_space();
    ASSERT_TRUE(grant(*granted, memory_a, memory_a));
    watch(false);
    const auto taken = take_over();
    stop_watching();
    ASSERT_TRUE(taken) << taken.error().text;
    EXPECT_EQ(taken->found, Found::foreign);
    EXPECT_GT(taken->pause.count(), 0);
    EXPECT_EQ(open_ports(), "");
    EXPECT_TRUE(reaches(0, memory_a));
}

// A live context cannot be changed without opening what is tied to it, so nothing is touched.
TEST_F(TakingOver, WithoutAFreeContextTheUnitIsLeftAsItWas) {
    start("h3-es2");
    for (unsigned context = 1; context < 8; ++context) program(context, new_table());
    open();
    const std::uint64_t before = line.writes;
    const auto taken = take_over();
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, EBUSY);
    EXPECT_EQ(line.writes, before);
    EXPECT_EQ(driver->state(), UnitState::untouched);
}

// A stream that keeps its memory is never refused, and everything else is closed before it moves.
TEST_F(TakingOver, ThePredecessorsTablesAreReplacedWithoutAPause) {
    for (const char* const name : {"h3-es2", "h3-es3"}) {
        SCOPED_TRACE(name);
        start(name);
        contain();
        AddressSpace& other = new_space();
        ASSERT_TRUE(grant(other, memory_b + page, memory_b + page));
        ASSERT_TRUE(driver->attach(sdhi(2), other));
        end_driver();
        open();
        granted = &new_space();
        ASSERT_TRUE(grant(*granted, memory_a, memory_a));
        watch(true);
        const auto taken = take_over();
        stop_watching();
        ASSERT_TRUE(taken) << taken.error().text;
        EXPECT_EQ(taken->found, Found::own);
        EXPECT_EQ(taken->pause.count(), 0);
        EXPECT_FALSE(reaches(2, memory_b + page)) << "of a client that is gone";
        EXPECT_TRUE(driver->recheck());
        memory::Gather everything;
        everything.cover_everything();
        auto proof = driver->caches()->flush(std::move(everything), *arena);
        ASSERT_TRUE(proof);
        arena->retire_earlier_generations(std::move(*proof));
        EXPECT_TRUE(reaches(0, memory_a));
        EXPECT_EQ(open_ports(), "");
        end_driver();
        EXPECT_TRUE(machine->complaints().all().empty()) << testing::PrintToString(machine->complaints().all());
    }
}

// With all contexts in use by the predecessor there is no way but by the refusing one.
TEST_F(TakingOver, AFullPredecessorIsReplacedByWayOfTheRefusingContext) {
    start("h3-es3");
    contain();
    for (unsigned i = 1; i < 6; ++i) ASSERT_TRUE(driver->attach(stream("ds0", i), new_space()));
    end_driver();
    open();
    granted = &new_space();
    ASSERT_TRUE(grant(*granted, memory_a, memory_a));
    for (unsigned i = 1; i < 6; ++i) new_space();
    EXPECT_EQ(driver->create_space(account).error().code, ENOSPC);
    watch(false);
    const auto taken = take_over();
    stop_watching();
    ASSERT_TRUE(taken) << taken.error().text;
    EXPECT_EQ(taken->found, Found::own);
    EXPECT_TRUE(reaches(0, memory_a));
    EXPECT_EQ(open_ports(), "");
    for (unsigned i = 1; i < 6; ++i) ASSERT_TRUE(driver->attach(stream("ds0", i), *spaces[i]));
}

// Killed after any write, whatever it left is taken over, and what was closed stays closed.
TEST_F(TakingOver, APredecessorMayHaveDiedAtAnyWrite) {
    start("h3-es2");
    contain();
    end_driver();
    const std::uint64_t all = std::exchange(line.writes, 0);
    for (std::uint64_t death = 0; death < all; death += death < 40 || death + 60 > all ? 1 : 97) {
        SCOPED_TRACE(death);
        start("h3-es2");
        open();
        granted = &new_space();
        ASSERT_TRUE(grant(*granted, memory_a, memory_a));
        line.dies_after = death;
        (void)take_over();
        end_driver();
        line.dies_after = ~std::uint64_t{0};
        contain();
        EXPECT_EQ(open_ports(), "");
        EXPECT_TRUE(reaches(0, memory_a));
        ASSERT_TRUE(machine->complaints().all().empty()) << testing::PrintToString(machine->complaints().all());
        end_driver();
        line.writes = 0;
    }
}

TEST_F(TakingOver, DomainsWithoutPowerAreTurnedOnAndClosed) {
    start("h3-es3", {Domain::a3vp, Domain::a3vc, Domain::a3ir});
    watch(false, {"vp0", "vp1", "vc0", "vc1", "ir"});  // open from power to the first write, as the hardware is
    contain();
    stop_watching();
    EXPECT_TRUE(machine->unit("vp0").is_powered() && machine->unit("vc1").is_powered() && machine->unit("ir").is_powered());
    EXPECT_EQ(open_ports(), "");
}

TEST_F(TakingOver, ADomainThatStaysOffEndsTheTakeOverClosed) {
    start("h3-es3", {Domain::a3vc});
    line.swallows = [](std::uint64_t address) { return address == 0xe618038c; };
    open();
    granted = &new_space();
    const auto taken = take_over();
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, EIO);
    EXPECT_NE(taken.error().text.find("A3VC"), std::string::npos) << taken.error().text;
    EXPECT_EQ(driver->state(), UnitState::failed);
    EXPECT_EQ(open_ports(), "");
}

TEST_F(TakingOver, TheFormatFollowsTheProductAndWhatTheRegisterTakes) {
    start("h3-es3");
    open();
    EXPECT_EQ(driver->capabilities().input_bits, 40u);
    EXPECT_FALSE(driver->capabilities().write_implies_read);
    end_driver();
    line.swallows = [](std::uint64_t address) { return address == 0xe67b0504; };
    contain();
    EXPECT_EQ(driver->capabilities().input_bits, 32u);
    EXPECT_TRUE(driver->capabilities().write_implies_read);
    EXPECT_TRUE(reaches(0, memory_a));
}

}  // namespace
}  // namespace smmu::units::ipmmu::test

// SPDX-License-Identifier: Apache-2.0
// Hardware that does not answer, answers wrongly, or was changed by somebody else.
#include "bench.hpp"

namespace bench {
namespace {

using units::Recording;
using units::UnitState;

bool turned_translation_off(const silicon::Unit& unit) {
    bool on = false;
    for (const auto& [offset, value] : unit.writes) {
        if (offset != 0x18) continue;
        if (on && (value & 0x8000'0000) == 0) return true;
        on = on || (value & 0x8000'0000) != 0;
    }
    return false;
}

TEST(NoAnswer, EachCommandOfTakeOverEndsInAFailedUnit) {
    for (const std::uint32_t bit : {31u, 30u, 26u}) {
        SCOPED_TRACE(bit);
        Bench bench;
        bench.unit.never_acknowledged = 1u << bit;
        auto taken = bench.take_over();
        ASSERT_FALSE(taken);
        EXPECT_EQ(taken.error().code, EIO);
        EXPECT_NE(taken.error().text.find("vtd@fed90000: "), std::string::npos);
        EXPECT_NE(taken.error().text.find("within 1000 ms"), std::string::npos);
        EXPECT_EQ(bench.iommu().state(), UnitState::failed);
        EXPECT_NE(bench.iommu().report().mode.find("NOT confirmed"), std::string::npos);
        bench.end();
    }
}

TEST(NoAnswer, SilentQueueStopsTheUnitByRegisters) {
    for (const bool root_invalidates : {true, false}) {
        for (const bool memory_protection : {true, false}) {
            Bench bench(
                {.protected_memory = memory_protection, .root_invalidates = root_invalidates});
            ASSERT_TRUE(bench.take_over());
            EXPECT_TRUE(bench.passes(nic, 0x5000));
            bench.unit.queue_is_silent = true;
            auto removed = unmap(*bench.first, 0x5000, page);
            ASSERT_FALSE(removed);
            EXPECT_EQ(removed.error().code, EIO);
            EXPECT_EQ(bench.iommu().state(), UnitState::failed);
            // Complete where the unit flushes by itself or protects memory; tried everywhere.
            const bool complete = root_invalidates || memory_protection;
            EXPECT_EQ(bench.passes(nic, 0x5000), !complete);
            EXPECT_EQ(bench.iommu().report().mode.find("NOT confirmed") == std::string::npos,
                      complete);
            EXPECT_NE(bench.unit.latched_root & ~0xfffull, 0u);
            EXPECT_EQ(bench.unit.word(bench.unit.latched_root), 0u);
            EXPECT_FALSE(turned_translation_off(bench.unit));
            EXPECT_EQ(bench.iommu().attach(StreamId{disk}, *bench.first).error().code, EIO);
            bench.unit.complaints.clear();  // the last resort turns a working queue off
            const auto quarantined = bench.service.arena->count().quarantined;
            auto ended = bench.service.iommu->retire(std::move(bench.first));
            ASSERT_FALSE(ended);
            EXPECT_EQ(ended.error().code, EIO);
            EXPECT_GT(bench.service.arena->count().quarantined, quarantined);
        }
    }
}

TEST(NoAnswer, RegisterInvalidationTimesOutToo) {
    Bench bench({.queued = false});
    ASSERT_TRUE(bench.take_over());
    EXPECT_TRUE(bench.passes(nic, 0x5000));
    bench.unit.queue_is_silent = true;
    EXPECT_EQ(unmap(*bench.first, 0x5000, page).error().code, EIO);
    EXPECT_EQ(bench.iommu().state(), UnitState::failed);
    bench.end();
}

TEST(NoAnswer, BoardGoneEndsQuickly) {
    Bench bench;
    ASSERT_TRUE(bench.take_over());
    bench.unit.gone = true;
    auto checked = bench.iommu().recheck();
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code, ESTALE);
    const Instant before = bench.service.clock.now();
    bench.iommu().hard_stop();
    EXPECT_LT(bench.service.clock.now() - before, Nanoseconds(1'000'000));
    EXPECT_EQ(bench.iommu().state(), UnitState::failed);
    Collected none;
    EXPECT_EQ(bench.iommu().drain(none).seen, 0u);
    bench.end();
}

TEST(NoAnswer, ProtectedMemoryThatStaysOnIsAFailure) {
    Bench bench({.protected_memory = true});
    bench.unit.protection = 0x8000'0001;
    bench.unit.low_limit = ~0ull;
    bench.unit.protection_is_stuck = true;
    auto taken = bench.take_over();
    ASSERT_FALSE(taken);
    EXPECT_NE(taken.error().text.find("PMEN.PRS"), std::string::npos);
    bench.unit.protection_is_stuck = false;
    bench.end();
}

TEST(QueueErrors, AreMendedAndTheRequestIsMadeAgain) {
    for (const int broken : {1, 2}) {
        Bench bench;
        ASSERT_TRUE(bench.take_over());
        EXPECT_TRUE(bench.passes(nic, 0x5000));
        bench.unit.broken_descriptors = broken;
        ASSERT_TRUE(unmap(*bench.first, 0x5000, page));
        EXPECT_FALSE(bench.passes(nic, 0x5000));
        EXPECT_EQ(bench.unit.faults & 0x10, 0u);
        std::uint64_t mended = 0;
        for (const auto& [name, value] : bench.iommu().report().registers)
            if (name == "queue errors mended") mended = value;
        EXPECT_EQ(mended, static_cast<std::uint64_t>(broken));
        EXPECT_TRUE(bench.iommu().recheck());
        bench.end();
    }
}

TEST(QueueErrors, TimeoutsOfDevicesAreClearedAndTheRequestIsMadeAgain) {
    Bench bench;
    ASSERT_TRUE(bench.take_over());
    EXPECT_TRUE(bench.passes(nic, 0x5000));
    bench.unit.timeouts = 1;
    ASSERT_TRUE(unmap(*bench.first, 0x5000, page));
    EXPECT_FALSE(bench.passes(nic, 0x5000));
    bench.end();
}

TEST(QueueErrors, WithoutEndStopTheUnit) {
    Bench bench({.root_invalidates = true});
    ASSERT_TRUE(bench.take_over());
    EXPECT_TRUE(bench.passes(nic, 0x5000));
    bench.unit.broken_descriptors = 1'000'000;
    EXPECT_EQ(unmap(*bench.first, 0x5000, page).error().code, EIO);
    EXPECT_EQ(bench.iommu().state(), UnitState::failed);
    EXPECT_FALSE(bench.passes(nic, 0x5000));
    bench.end();
}

TEST(HardStop, RefusesEverythingAndCanBeTakenOverAgain) {
    for (const bool queued : {true, false}) {
        Bench bench({.protected_memory = true, .queued = queued});
        ASSERT_TRUE(bench.take_over());
        EXPECT_TRUE(bench.passes(nic, 0x5000));
        bench.iommu().hard_stop();
        EXPECT_EQ(bench.iommu().state(), UnitState::failed);
        EXPECT_NE(bench.iommu().report().mode.find("everything refuses"), std::string::npos);
        EXPECT_FALSE(bench.passes(nic, 0x5000));
        EXPECT_FALSE(turned_translation_off(bench.unit));
        auto again = bench.take_over();
        ASSERT_TRUE(again) << again.error().text;
        EXPECT_EQ(bench.iommu().state(), UnitState::containing);
        EXPECT_TRUE(bench.passes(nic, 0x5000));
        EXPECT_FALSE(bench.passes(disk, 0x5000));
        EXPECT_TRUE(bench.iommu().recheck());
        bench.end();
    }
}

TEST(HardStop, OfAUnitNeverTakenOverTurnsTranslationOn) {
    Bench bench;
    EXPECT_TRUE(bench.passes(nic, 0x9000));
    bench.iommu().hard_stop();
    EXPECT_FALSE(bench.passes(nic, 0x9000));
    EXPECT_FALSE(bench.passes(remote, 0x9000));
    EXPECT_NE(bench.unit.status & 0x8000'0000, 0u);
    bench.end();
}

TEST(Recheck, SaysWhatChangedFromWhatToWhat) {
    struct Tampering {
        std::function<void(silicon::Unit&)> act;
        const char* words;
    };
    const Tampering tamperings[] = {
        {[](silicon::Unit& unit) { unit.status &= 0x7fff'ffff; },
         "GSTS.TES changed behind the service's back: 0x1 "},
        {[](silicon::Unit& unit) { unit.status &= ~0x0400'0000u; }, "GSTS.QIES"},
        {[](silicon::Unit& unit) { unit.status &= ~0x4000'0000u; }, "GSTS.RTPS"},
        {[](silicon::Unit& unit) { unit.root = 0xabc000; }, "0xabc000 is there now"},
        {[](silicon::Unit& unit) { unit.queue_address = 0xdef000; }, "IQA"},
        {[](silicon::Unit& unit) { unit.faults |= 0x10; }, "FSTS.IQE"},
        {[](silicon::Unit& unit) { unit.faults |= 0x40; }, "FSTS.ITE"},
        {[](silicon::Unit& unit) { unit.protection = 0x8000'0001; }, "PMEN.EPM"},
    };
    for (const Tampering& tampering : tamperings) {
        SCOPED_TRACE(tampering.words);
        Bench bench({.protected_memory = true});
        ASSERT_TRUE(bench.take_over());
        ASSERT_TRUE(bench.iommu().recheck());
        tampering.act(bench.unit);
        auto checked = bench.iommu().recheck();
        ASSERT_FALSE(checked);
        EXPECT_EQ(checked.error().code, ESTALE);
        EXPECT_NE(checked.error().text.find(tampering.words), std::string::npos)
            << checked.error().text;
        bench.iommu().hard_stop();
        bench.end();
        bench.unit.complaints.clear();  // what was tampered with may be put right by force only
    }
}

TEST(Recheck, TranslationTurnedOffIsContainedAgain) {
    Bench bench;
    ASSERT_TRUE(bench.take_over());
    bench.unit.status &= 0x7fff'ffff;
    EXPECT_TRUE(bench.passes(nic, 0x7777'0000));
    ASSERT_FALSE(bench.iommu().recheck());
    bench.iommu().hard_stop();
    EXPECT_FALSE(bench.passes(nic, 0x7777'0000));
    ASSERT_TRUE(bench.take_over());
    EXPECT_TRUE(bench.passes(nic, 0x5000));
    EXPECT_FALSE(bench.passes(nic, 0x7777'0000));
    bench.end();
}

}  // namespace
}  // namespace bench

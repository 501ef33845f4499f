// SPDX-License-Identifier: Apache-2.0
// Hardware that does not answer, answers wrongly, or was changed by somebody else.
#include "units/vtd/hardware.hpp"
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
            Bench bench({.version = 0x20,
                         .protected_memory = memory_protection,
                         .root_invalidates = root_invalidates});
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
            EXPECT_EQ(bench.iommu().report().stop_confirmed, complete);
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

// What the unit cached under the id may still be there.
TEST(NoAnswer, TheIdOfASpaceThatWasNotForgottenIsNotGivenAgain) {
    Bench bench({.domains_code = 0});
    ASSERT_TRUE(bench.take_over());
    ASSERT_TRUE(bench.iommu().block(StreamId{nic}, Recording::on));
    const std::uint64_t possible = bench.iommu().report().spaces_possible;
    bench.unit.queue_is_silent = true;
    EXPECT_EQ(bench.iommu().retire(std::move(bench.first)).error().code, EIO);
    std::vector<std::unique_ptr<units::AddressSpace>> spaces;
    while (spaces.size() <= possible) {
        auto made = bench.iommu().create_space(*bench.service.account);
        if (!made) {
            EXPECT_EQ(made.error().code, ENOSPC);
            break;
        }
        spaces.push_back(std::move(*made));
    }
    EXPECT_EQ(spaces.size(), possible - 1);
    for (auto& space : spaces) EXPECT_FALSE(bench.iommu().retire(std::move(space)));
    bench.unit.complaints.clear();  // the last resort turns a working queue off
}

// Where a new root makes the unit forget, a hard stop leaves the queue as it is. Take-over starts it
// anew, by force if it still does not answer.
TEST(NoAnswer, SilentQueueIsStartedAnewByTheNextTakeOver) {
    for (const bool answers_later : {true, false}) {
        Bench bench({.root_invalidates = true});
        ASSERT_TRUE(bench.take_over());
        bench.unit.queue_is_silent = true;
        ASSERT_FALSE(unmap(*bench.first, 0x5000, page));
        EXPECT_TRUE(bench.iommu().report().stop_confirmed);
        bench.unit.after_write = [&] {
            EXPECT_FALSE(bench.passes(nic, 0x5000));
            // Off and on again, the queue works.
            if ((bench.unit.status & 0x0400'0000) == 0) bench.unit.queue_is_silent = false;
        };
        if (answers_later) {
            bench.unit.queue_is_silent = false;
            bench.unit.write64(0x88, bench.unit.queue_tail);
        }
        auto again = bench.take_over();
        bench.unit.after_write = nullptr;
        ASSERT_TRUE(again) << again.error().text;
        EXPECT_FALSE(bench.passes(nic, 0x5000));
        ASSERT_TRUE(map(*bench.first, 0x6000, 0x7000'6000, page));
        EXPECT_TRUE(bench.passes(nic, 0x6000));
        EXPECT_TRUE(bench.iommu().recheck());
        EXPECT_EQ(bench.unit.complaints.empty(), answers_later);
        bench.unit.complaints.clear();  // the last resort turns a working queue off
        bench.end();
    }
}

// Before version 2 protected memory does not stop what is translated, so it proves nothing.
TEST(NoAnswer, OldProtectedMemoryConfirmsNothing) {
    Bench bench({.version = 0x10, .protected_memory = true});
    ASSERT_TRUE(bench.take_over());
    EXPECT_TRUE(bench.passes(nic, 0x5000));
    bench.unit.queue_is_silent = true;
    EXPECT_EQ(unmap(*bench.first, 0x5000, page).error().code, EIO);
    EXPECT_TRUE(bench.passes(nic, 0x5000));
    EXPECT_FALSE(bench.iommu().report().stop_confirmed);
    bench.unit.complaints.clear();  // the last resort turns a working queue off
    bench.end();
}

TEST(NoAnswer, ProtectedMemoryOfFirmwareIsWidenedBeforeItCounts) {
    for (const std::uint64_t granule : {0x1ull, 0x10'0000ull, 0x1'0000'0000ull}) {
        SCOPED_TRACE(granule);
        Bench bench({.version = 0x20, .protected_memory = true});
        bench.unit.protected_granule = granule;
        ASSERT_TRUE(bench.take_over());
        EXPECT_TRUE(bench.passes(nic, 0x5000));
        bench.unit.protection = 0x8000'0001;  // of its image only
        bench.unit.low_base = 0x10'0000;
        bench.unit.low_limit = 0x1f'ffff;
        bench.unit.queue_is_silent = true;
        EXPECT_EQ(unmap(*bench.first, 0x5000, page).error().code, EIO);
        EXPECT_FALSE(bench.passes(nic, 0x5000));
        EXPECT_TRUE(bench.iommu().report().stop_confirmed);
        bench.unit.complaints.clear();
        bench.end();
    }
}

TEST(NoAnswer, AllOnesAreNeverMadeACommand) {
    silicon::Unit unit({.write_buffer = true});
    silicon::Machine machine(unit);
    silicon::Time clock;
    auto registers = machine.registers({{silicon::unit_base}, {silicon::unit_base + 0xfff}});
    ASSERT_TRUE(registers);
    auto features = units::vtd::Features::read(hw::Registers(**registers), "unit");
    ASSERT_TRUE(features);
    units::vtd::Hardware hardware(std::move(*registers), *features, "unit", clock);
    unit.status = ~0u;
    using units::vtd::GlobalCommand, units::vtd::GlobalStatus;
    for (const auto& refused :
         {hardware.enable(GlobalCommand::translation, GlobalStatus::translation),
          hardware.disable(GlobalCommand::queued_invalidation, GlobalStatus::queued_invalidation),
          hardware.set_root({0x1000}, units::vtd::TableMode::legacy),
          hardware.flush_write_buffer()}) {
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, EIO);
    }
    EXPECT_TRUE(unit.writes.empty());
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

TEST(HardStop, AdditionsToAStoppedUnitAreNotTakenForVisible) {
    Bench bench;
    ASSERT_TRUE(bench.take_over());
    bench.iommu().hard_stop();
    EXPECT_EQ(map(*bench.first, 0x9000, 0x7000'9000, page).error().code, EIO);
    bench.end();
}

// Somebody wrote GCMD = 0: translation goes on before anything that has to be waited for.
TEST(HardStop, TranslationTurnedOffGoesOnAtOnce) {
    for (const bool root_invalidates : {true, false}) {
        Bench bench({.protected_memory = true, .root_invalidates = root_invalidates});
        ASSERT_TRUE(bench.take_over());
        bench.unit.status &= ~0x8400'0000u;
        bench.unit.queue_head = 0;
        const Instant begun = bench.service.clock.now();
        std::optional<Instant> closed;
        bench.unit.after_write = [&] {
            if (!closed && (bench.unit.status & 0x8000'0000) != 0)
                closed = bench.service.clock.now();
        };
        bench.iommu().hard_stop();
        bench.unit.after_write = nullptr;
        ASSERT_TRUE(closed);
        EXPECT_LT(*closed - begun, Nanoseconds(1'000'000));
        EXPECT_LT(bench.service.clock.now() - begun, Nanoseconds(10'000'000));
        EXPECT_TRUE(bench.iommu().report().stop_confirmed);
        EXPECT_FALSE(bench.passes(nic, 0x5000));
        ASSERT_TRUE(bench.take_over());
        EXPECT_TRUE(bench.passes(nic, 0x5000));
        bench.end();
    }
}

// RTADDR says what was written, not what is latched.
TEST(HardStop, ScribbledTableModeIsNotBelieved) {
    for (const std::uint64_t mode : {0x400u, 0x800u, 0xc00u}) {
        SCOPED_TRACE(mode);
        Bench bench;
        ASSERT_TRUE(bench.take_over());
        EXPECT_TRUE(bench.passes(nic, 0x5000));
        bench.unit.root |= mode;
        ASSERT_FALSE(bench.iommu().recheck());
        bench.iommu().hard_stop();
        EXPECT_FALSE(bench.passes(nic, 0x5000));
        EXPECT_EQ(bench.unit.latched_root & 0xc00, 0u);
        EXPECT_TRUE(bench.iommu().report().stop_confirmed);
        bench.unit.root |= mode;
        auto again = bench.take_over();
        ASSERT_TRUE(again) << again.error().text;
        EXPECT_TRUE(bench.passes(nic, 0x5000));
        bench.end();
    }
}

TEST(HardStop, AbortModeOfSomebodyElseConfirmsNothing) {
    for (const bool root_invalidates : {true, false}) {
        Bench bench({.root_invalidates = root_invalidates});
        bench.unit.status = 0xc000'0000;
        bench.unit.root = bench.unit.latched_root = silicon::memory_base | 0xc00;
        bench.iommu().hard_stop();
        EXPECT_EQ(bench.iommu().report().stop_confirmed, root_invalidates);
        bench.end();
    }
}

// A unit that forgets with a new root is stopped without its queue: an error in it is found later.
TEST(HardStop, StalledQueueIsMendedByTheNextTakeOver) {
    for (const std::uint32_t error : {0x10u, 0x40u}) {
        Bench bench({.root_invalidates = true});
        ASSERT_TRUE(bench.take_over());
        const std::uint64_t ring = bench.unit.queue_address;
        bench.unit.set_word(ring + bench.unit.queue_tail, error == 0x10u ? 0xf : 1 | 1 << 4);
        bench.unit.set_word(ring + bench.unit.queue_tail + 8, 0);
        if (error == 0x40u) bench.unit.faults |= error;
        bench.unit.write64(0x88, bench.unit.queue_tail + 16);
        ASSERT_NE(bench.unit.faults & error, 0u);
        ASSERT_FALSE(bench.iommu().recheck());
        bench.iommu().hard_stop();
        auto again = bench.take_over();
        ASSERT_TRUE(again) << again.error().text;
        EXPECT_LT(again->took, Nanoseconds(100'000'000));
        EXPECT_TRUE(bench.passes(nic, 0x5000));
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
        {[](silicon::Unit& unit) { unit.write32(0x38, 0); }, "FECTL.IM"},
        {[](silicon::Unit& unit) { unit.write32(0xa0, 0); }, "IECTL.IM"},
        {[](silicon::Unit& unit) { unit.status |= 0x0200'0000; }, "GSTS.IRES"},
        {[](silicon::Unit& unit) { unit.interrupt_table = 0x123'0007; }, "IRTA"},
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

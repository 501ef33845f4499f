// SPDX-License-Identifier: Apache-2.0
// The driver on a unit that checks its guards and misbehaves: what every failure leaves is closed.
#include "bench.hpp"
#include "units/smmuv3/command.hpp"

namespace smmu::units::smmuv3 {
namespace {

TEST_F(SmmuV3, ContainsWhatItIsGiven) {
    contain();
    EXPECT_EQ(unit.dma(nic, 0x5010), 0x7000'5010u);
    for (const std::uint32_t stream : {disk, stranger, remote}) EXPECT_TRUE(refuses(stream, 0x5000));
    EXPECT_TRUE(refuses(nic, 0x6000));
    EXPECT_TRUE(unit.aborts()) << "off one day, it would pass everything";
    ASSERT_TRUE(driver->recheck());
}

// At no write does anything pass that is not granted, from the moment the unit is on.
TEST_F(SmmuV3, IsEnabledInOneStep) {
    open();
    bool was_on = false;
    unit.after_write = [&] {
        was_on = was_on || unit.is_on();
        if (!was_on) return;
        EXPECT_EQ(unit.dma(nic, 0x5000), 0x7000'5000u);
        EXPECT_TRUE(refuses(disk, 0x5000) && refuses(stranger, 0x5000));
    };
    ASSERT_TRUE(take_over());
    unit.after_write = nullptr;
    EXPECT_TRUE(was_on);
}

TEST_F(SmmuV3, WithNothingToGoOnItIsClosedFirst) {
    open();
    bool was_closed = false;
    unit.after_write = [&] {
        was_closed = was_closed || unit.aborts();
        EXPECT_EQ(refuses(nic, 0x5000), was_closed);
    };
    const Assignment blocked[] = {{StreamId{disk}, nullptr}};
    ASSERT_TRUE(driver->take_over(blocked));
    unit.after_write = nullptr;
    EXPECT_LT(position(0x44, 1u << 20, true), position(0x80, ~std::uint64_t{0}, true));
}

TEST_F(SmmuV3, SomebodyElsesTableIsLeftByWayOfAnAbortingUnit) {
    unit.preset(0x20, 1);  // on, with a table that is nobody's
    open();
    unit.after_write = [&] { EXPECT_TRUE(!unit.aborts() || refuses(stranger, 0x5000)); };
    const auto taken = take_over();
    unit.after_write = nullptr;
    ASSERT_TRUE(taken) << taken.error().text;
    EXPECT_EQ(taken->found, Found::foreign);
    EXPECT_LT(position(0x44, 1u << 20, true), position(0x20, 1, false));
    EXPECT_EQ(unit.dma(nic, 0x5000), 0x7000'5000u);
}

// Turning a unit off that would then pass everything is worse than leaving it on.
TEST_F(SmmuV3, AUnitWhoseBypassCannotBeClosedIsNotTurnedOff) {
    unit.preset(0x20, 1);
    open();
    unit.bypass_is_stuck = true;
    const auto taken = take_over();
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, EIO);
    EXPECT_TRUE(unit.is_on());
    EXPECT_EQ(driver->state(), UnitState::failed);
    EXPECT_FALSE(driver->report().stop_confirmed);
    unit.complaints.clear();  // the second handshake was asked for while the first was pending
}

TEST_F(SmmuV3, AHardStopAbortsBeforeItTurnsOff) {
    contain();
    unit.writes.clear();
    driver->hard_stop();
    EXPECT_TRUE(refuses(nic, 0x5000));
    EXPECT_LT(position(0x44, 1u << 20, true), position(0x20, 1, false));
    EXPECT_TRUE(driver->report().stop_confirmed);
    ASSERT_TRUE(take_over()) << "it can be taken over again";
    EXPECT_EQ(unit.dma(nic, 0x5000), 0x7000'5000u);
}

TEST_F(SmmuV3, ASilentCommandQueueStopsTheUnit) {
    contain();
    unit.commands_are_silent = true;
    const auto blocked = driver->block(StreamId{nic}, Recording::on);
    ASSERT_FALSE(blocked);
    EXPECT_EQ(blocked.error().code, EIO);
    EXPECT_EQ(driver->state(), UnitState::failed);
    for (const std::uint32_t stream : {nic, disk, stranger}) EXPECT_TRUE(refuses(stream, 0x5000));
    EXPECT_EQ(apply(*space, paging::Unmap{{{0x5000}, {0x5fff}}}).error().code, EIO);
    unit.commands_are_silent = false;
    ASSERT_TRUE(take_over());
}

TEST_F(SmmuV3, ACommandThatTheUnitRefusesIsMendedAndAllAreAskedForAgain) {
    contain();
    unit.commands.clear();
    unit.illegal = 1;
    ASSERT_TRUE(driver->block(StreamId{nic}, Recording::on));
    EXPECT_TRUE(refuses(nic, 0x5000));
    EXPECT_TRUE(was_forgotten(0x03) && was_forgotten(0x28));
    EXPECT_EQ(driver->state(), UnitState::containing);
    unit.illegal = 1000;
    EXPECT_EQ(driver->attach(StreamId{nic}, *space).error().code, EIO);
    EXPECT_TRUE(refuses(nic, 0x5000));
}

TEST_F(SmmuV3, AUnitThatNeverAcknowledgesIsFailedAndClosed) {
    open();
    unit.never_acknowledged = 1;
    const auto taken = take_over();
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, EIO);
    EXPECT_EQ(driver->state(), UnitState::failed);
    EXPECT_TRUE(unit.aborts());
}

TEST_F(SmmuV3, BoardGoneEndsQuickly) {
    contain();
    unit.gone = true;
    EXPECT_FALSE(driver->recheck());
    EXPECT_FALSE(driver->block(StreamId{nic}, Recording::on));
    EXPECT_FALSE(driver->report().stop_confirmed);
    Collected seen;
    EXPECT_EQ(driver->drain(seen).seen, 0u);
}

// Hardware reads an entry word by word: whatever it sees in between leads to nothing, never to another's memory.
TEST_F(SmmuV3, AStreamMovesByWayOfNothing) {
    contain();
    auto second = *driver->create_space(*account);
    ASSERT_TRUE(map(*second, 0x5000, 0x7100'5000, page));
    unit.after_write = [&] {
        const std::uint64_t at = unit.dma(nic, 0x5000);
        EXPECT_TRUE(at == 0x7000'5000 || at == 0x7100'5000 || at == Unit::refused) << std::hex << at;
    };
    ASSERT_TRUE(driver->attach(StreamId{nic}, *second));
    unit.after_write = nullptr;
    EXPECT_EQ(unit.dma(nic, 0x5000), 0x7100'5000u);
    EXPECT_TRUE(was_forgotten(0x28)) << "what the old tables translated has to be over";
    ASSERT_TRUE(driver->block(StreamId{nic}, Recording::on));
    ASSERT_TRUE(driver->retire(std::move(second)));
}

TEST_F(SmmuV3, LaterStreamsGetAPlaceAndBeyondTheTableThereIsNone) {
    contain();
    ASSERT_TRUE(driver->attach(StreamId{remote}, *space));
    EXPECT_EQ(unit.dma(remote, 0x5000), 0x7000'5000u);
    EXPECT_EQ(driver->block(StreamId{0x10000}, Recording::on).error().code, EINVAL);
}

TEST_F(SmmuV3, RefusalsAreDecodedMutedAndCounted) {
    contain();
    Collected seen;
    EXPECT_TRUE(refuses(nic, 0x6123) && refuses(disk, 0x7000) && refuses(stranger, 0x8000) && refuses(0x300, 0));
    const Drained drained = driver->drain(seen);
    ASSERT_EQ(drained.seen, 4u);
    EXPECT_EQ(seen.all[0].stream, StreamId{nic});
    EXPECT_EQ(seen.all[0].address, Iova{0x6123});
    EXPECT_EQ(seen.all[0].reason, Refusal::Reason::not_mapped);
    EXPECT_EQ(seen.all[0].access, Access::read);
    EXPECT_EQ(seen.all[1].address, Iova{0x7000});
    EXPECT_EQ(seen.all[2].reason, Refusal::Reason::unknown_stream);
    EXPECT_FALSE(seen.all[2].address_known);
    EXPECT_EQ(seen.all[3].reason, Refusal::Reason::unknown_stream);

    ASSERT_TRUE(driver->record(StreamId{nic}, Recording::muted));
    EXPECT_EQ(unit.dma(nic, 0x5000), 0x7000'5000u) << "its granted DMA goes on";
    EXPECT_TRUE(refuses(nic, 0x6000));
    EXPECT_EQ(driver->drain(seen).seen, 0u);
}

TEST_F(SmmuV3, AFullEventQueueIsAnEpisodeOfLoss) {
    contain();
    for (int i = 0; i < 1030; ++i) unit.dma(disk, 0x7000);
    Collected seen;
    std::uint64_t lost = 0;
    bool more = true;
    for (int calls = 0; more && calls < 10; ++calls) {
        const Drained drained = driver->drain(seen);
        lost += drained.lost;
        more = drained.more;
    }
    EXPECT_EQ(seen.all.size(), 1024u);
    EXPECT_EQ(lost, 1u);
    unit.dma(disk, 0x7000);
    EXPECT_EQ(driver->drain(seen).lost, 0u) << "an episode is counted once";
    unit.raise(1u << 2);
    EXPECT_EQ(driver->drain(seen).lost, 1u);
    EXPECT_EQ(driver->drain(seen).lost, 0u);
}

// While nobody was there the unit went on recording: the next instance hands it out, before what comes anew.
TEST_F(SmmuV3, WhatWasRecordedInTheGapIsNotLost) {
    contain();
    Collected read, seen;
    EXPECT_TRUE(refuses(nic, 0x6123));
    EXPECT_EQ(driver->drain(read).seen, 1u);
    EXPECT_TRUE(refuses(nic, 0x7123));
    die();
    for (int i = 0; i < 1030; ++i) EXPECT_TRUE(refuses(disk, 0x8000));
    begin();
    contain();
    EXPECT_TRUE(refuses(nic, 0x9123));
    std::uint64_t lost = 0;
    bool more = true;
    for (int calls = 0; more && calls < 10; ++calls) {
        const Drained drained = driver->drain(seen);
        lost += drained.lost;
        more = drained.more;
    }
    ASSERT_EQ(seen.all.size(), 1025u) << "what was read before does not come again";
    EXPECT_EQ(seen.all.front().address, Iova{0x7123});
    EXPECT_EQ(seen.all[1].address, Iova{0x8000});
    EXPECT_EQ(seen.all.back().address, Iova{0x9123});
    EXPECT_EQ(lost, 1u) << "the ring was full";
}

TEST_F(SmmuV3, WhatIsChangedBehindItsBackIsSeen) {
    contain();
    for (const std::uint64_t offset : {0x20u, 0x44u, 0x80u, 0x88u, 0x90u, 0xa0u}) {
        ASSERT_TRUE(driver->recheck());
        const std::uint64_t was = unit.read(offset);
        unit.preset(offset, 0);
        const auto checked = driver->recheck();
        ASSERT_FALSE(checked) << offset;
        EXPECT_EQ(checked.error().code, ESTALE);
        unit.preset(offset, was);
    }
}

TEST_F(SmmuV3, TurnedOffItIsAsItWasFound) {
    contain();
    ASSERT_TRUE(driver->turn_off());
    EXPECT_FALSE(unit.is_on());
    EXPECT_FALSE(unit.aborts());
    ASSERT_TRUE(take_over());
}

TEST(SmmuV3Commands, RangesTakeFewCommandsAndTooManyPagesTheWholeTag) {
    Features features;
    features.range_invalidation = true;
    const IovaRange pages{{0x10'0000}, {0x10'0000 + 256 * page - 1}};
    EXPECT_EQ(commands_for({&pages, 1}, 7, true, features).size(), 1u);
    const IovaRange odd{{0x10'0000}, {0x10'0000 + 257 * page - 1}};
    EXPECT_EQ(commands_for({&odd, 1}, 7, true, features).size(), 2u);
    const IovaRange one{{0x5000}, {0x5fff}};
    const auto single = commands_for({&one, 1}, 7, true, features);
    ASSERT_EQ(single.size(), 1u);
    EXPECT_EQ(single[0], (Command{0x2aull | 7ull << 32, 0x5001}));  // no granule: one page, a leaf

    features.range_invalidation = false;
    const IovaRange few{{0x10'0000}, {0x10'0000 + 64 * page - 1}};
    EXPECT_EQ(commands_for({&few, 1}, 7, true, features).size(), 64u);
    EXPECT_EQ(commands_for({&pages, 1}, 7, true, features), (std::vector{Command::translations_of(7, features)}));
}

// Every range is covered, whatever the length.
TEST(SmmuV3Commands, RangesCoverAllOfTheirPages) {
    Features features;
    features.range_invalidation = true;
    for (std::uint64_t count = 1; count < 5000; count += 7) {
        const IovaRange range{{0x40'0000}, {0x40'0000 + count * page - 1}};
        std::uint64_t next = range.first.value;
        for (const Command& command : commands_for({&range, 1}, 1, true, features)) {
            EXPECT_EQ(command.high & ~std::uint64_t{0xfff}, next);
            const std::uint64_t pages = (command.high >> 10 & 3) == 0 ? 1 : ((command.low >> 12 & 31) + 1) << (command.low >> 20 & 31);
            next += pages * page;
        }
        EXPECT_EQ(next, range.last.value + 1) << count;
    }
}

}  // namespace
}  // namespace smmu::units::smmuv3

// SPDX-License-Identifier: Apache-2.0
// Where hardware ends, fails, or was somebody else's: it is said clearly, and what is left is
// closed.
#include "room.hpp"

namespace smmu::units::smmuv2 {
namespace {

using testing::HasSubstr;

class Limits : public Room {
protected:
    // Somebody else's unit: its streams are translated by its tables, which lead to `elsewhere`.
    void boot_foreign(model::Features features = {}) {
        boot(features);
        ASSERT_TRUE(open_driver());
        const auto space = make_space(elsewhere);
        const Assignment assignments[] = {{StreamId{nic}, *space}, {StreamId{stranger}, *space}};
        ASSERT_TRUE(driver().take_over(assignments));
        // Other tables than the arena's: the next one begins with a new boot.
        killed.push_back(std::move(drivers.back()));
        drivers.pop_back();
        arenas.push_back(*memory::Arena::open({{{other_tables}, {other_tables + table_bytes - 1}},
                                               {machine->memory().at(other_tables), table_bytes}},
                                              {9}));
    }
    static constexpr std::uint64_t other_tables = 0x80800000;
};

TEST_F(Limits, BanksEnd) {
    contain({.banks = 4, .stage2_banks = 0});
    EXPECT_EQ(driver().report().spaces_possible, 3u) << "one is for what is muted";
    ASSERT_TRUE(make_space(elsewhere));
    ASSERT_TRUE(make_space(elsewhere));
    const auto beyond = make_space(elsewhere);
    ASSERT_FALSE(beyond);
    EXPECT_EQ(beyond.error().code, ENOSPC);
    EXPECT_THAT(beyond.error().text, HasSubstr("smmuv2@fd800000: all 4 context banks"));
    ASSERT_TRUE(driver().retire(std::move(spaces.back())));
    spaces.pop_back();
    EXPECT_TRUE(make_space(elsewhere));
    EXPECT_EQ(dma(nic, here), there);
}

TEST_F(Limits, WithFewBanksNoneIsForMuting) {
    contain({.banks = 2, .stage2_banks = 0});
    ASSERT_TRUE(make_space(elsewhere));
    ASSERT_TRUE(driver().block(StreamId{disk}, Recording::muted));
    EXPECT_TRUE(refuses(disk));
    EXPECT_EQ(drained().size(), 1u) << "it goes on being recorded";
}

TEST_F(Limits, MatchRegistersEnd) {
    contain({.match_groups = 3});
    ASSERT_TRUE(driver().attach(StreamId{disk}, space()));
    ASSERT_TRUE(driver().block(StreamId{0x20}, Recording::muted));
    EXPECT_TRUE(refuses(0x20));
    EXPECT_THAT(drained(), testing::IsEmpty());
    ASSERT_TRUE(driver().attach(StreamId{stranger}, space())) << "what is muted makes room";
    const auto beyond = driver().attach(StreamId{late}, space());
    ASSERT_FALSE(beyond);
    EXPECT_EQ(beyond.error().code, ENOSPC);
    EXPECT_THAT(beyond.error().text, HasSubstr("all 3 stream match registers are in use"));
    EXPECT_TRUE(refuses(late) && refuses(0x20));
    ASSERT_TRUE(driver().block(StreamId{late}, Recording::muted))
        << "it is recorded, there is no room";
    // One that had a space at take-over keeps its register.
    ASSERT_TRUE(driver().block(StreamId{nic}, Recording::on));
    EXPECT_EQ(driver().attach(StreamId{late}, space()).error().code, ENOSPC);
    ASSERT_TRUE(driver().attach(StreamId{nic}, space()));
    EXPECT_EQ(dma(nic, here), there);
    ASSERT_TRUE(driver().block(StreamId{disk}, Recording::on));
    ASSERT_TRUE(driver().attach(StreamId{late}, space()));
    EXPECT_EQ(dma(late, here), there);
    EXPECT_TRUE(refuses(disk));
}

TEST_F(Limits, MoreStreamsThanMatchRegistersAreRefusedBeforeAnythingIsTouched) {
    boot({.match_groups = 2});
    ASSERT_TRUE(open_driver());
    const auto made = make_space(there);
    const Assignment three[] = {{StreamId{1}, *made}, {StreamId{2}, *made}, {StreamId{3}, *made}};
    const auto taken = driver().take_over(three);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, ENOSPC);
    EXPECT_EQ(wire.writes, 0u);
    EXPECT_EQ(driver().state(), UnitState::untouched);
}

TEST_F(Limits, StreamsThatTheUnitCannotName) {
    contain({.stream_bits = 8, .mask_bits = 8});
    EXPECT_EQ(driver().attach(StreamId{0x100}, space()).error().code, EINVAL);
    EXPECT_EQ(driver().block(StreamId{0x12345}, Recording::on).error().code, EINVAL);
    EXPECT_TRUE(driver().attach(StreamId{0xff}, space()));
    contain({.stream_matching = false, .stream_bits = 5});
    EXPECT_EQ(driver().attach(StreamId{32}, space()).error().code, EINVAL);
    EXPECT_TRUE(driver().attach(StreamId{31}, space()));
    contain({.extended_ids = true});
    EXPECT_TRUE(driver().attach(StreamId{0xffff}, space()));
    EXPECT_EQ(dma(0xffff, here), there);
    EXPECT_EQ(driver().attach(StreamId{0x10000}, space()).error().code, EINVAL);
}

// Two stream ids that differ in a bit that the unit does not compare would be one.
TEST_F(Limits, BitsThatAreNotCompared) {
    boot();
    ASSERT_TRUE(open_driver());
    const auto made = make_space(there);
    wire.swallows = [](std::uint64_t offset, std::uint64_t value) {
        return offset == 0x800 && value == 0x7fff;
    };
    const Assignment one[] = {{StreamId{nic}, *made}};
    const auto taken = driver().take_over(one);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, EINVAL);
    EXPECT_THAT(taken.error().text, HasSubstr("does not compare"));
    EXPECT_TRUE(all_refuse());
}

// Who may have one is not the driver's to say; what the system itself needs is assigned like any other.
TEST_F(Limits, ReservedStreamsRefuseWhereTheyAreNotAssigned) {
    description.reserved_streams = {StreamId{stranger}};
    contain();
    EXPECT_TRUE(refuses(stranger));
    const Assignment given[] = {{StreamId{nic}, &space()}, {StreamId{stranger}, &space()}};
    ASSERT_TRUE(driver().take_over(given));
    EXPECT_EQ(dma(stranger, here), there);
    EXPECT_TRUE(driver().block(StreamId{stranger}, Recording::on));
    EXPECT_TRUE(refuses(stranger));
}

// Streams that nobody has pass; all others are what they would be.
class Passing : public Limits, public testing::WithParamInterface<bool> {};
TEST_P(Passing, UnknownStreamsDoAndNoOthers) {
    description.unknown_streams_pass = true;
    description.reserved_streams = {StreamId{0x20}};
    const model::Features features{.stream_matching = GetParam(),
                                   .stream_bits = GetParam() ? 15u : 6u};
    boot(features);
    bool was_on = false;
    const auto judge = [&] {
        was_on = was_on || !is_off();
        if (was_on) {
            EXPECT_TRUE(dma(nic, here) == there || refuses(nic));
            EXPECT_TRUE(refuses(disk) && refuses(0x20));
        }
    };
    wire.after_write = judge;
    start();
    EXPECT_EQ(dma(stranger, here), here);
    EXPECT_EQ(dma(nic, here), there);
    EXPECT_TRUE(driver().recheck());
    ASSERT_TRUE(driver().block(StreamId{nic}, Recording::on));
    EXPECT_TRUE(refuses(nic));
    ASSERT_TRUE(driver().block(StreamId{nic}, Recording::muted));
    wire.after_write = nullptr;
    ASSERT_TRUE(driver().attach(StreamId{disk}, space()));
    wire.after_write = [&] { EXPECT_TRUE(dma(disk, here) == there || refuses(disk)); };
    ASSERT_TRUE(driver().block(StreamId{disk}, Recording::muted));
    ASSERT_TRUE(driver().block(StreamId{disk}, Recording::on));
    EXPECT_TRUE(refuses(disk) && refuses(nic));
    wire.after_write = judge;
    ASSERT_TRUE(driver().attach(StreamId{nic}, space()));
    kill();
    EXPECT_EQ(start().found, GetParam() ? Found::own : Found::foreign);
    EXPECT_EQ(dma(nic, here), there);
    EXPECT_EQ(dma(stranger, here), here);
    driver().hard_stop();
    EXPECT_TRUE(all_refuse() && refuses(0x20));
}
INSTANTIATE_TEST_SUITE_P(Smmuv2, Passing, testing::Bool());

TEST_F(Limits, SomebodyElsesStreamsRefuseUntilTheirNewTablesAreThere) {
    boot_foreign();
    ASSERT_EQ(dma(stranger, here), elsewhere);
    std::set<std::uint64_t> met;
    bool was_refused = false;
    wire.after_write = [&] {
        EXPECT_TRUE(refuses(disk));
        const std::uint64_t at = dma(stranger, here);
        EXPECT_TRUE(at == elsewhere || at == nothing);
        EXPECT_TRUE(at == nothing || !was_refused) << "it opened again";
        was_refused = was_refused || at == nothing;
        met.insert(dma(nic, here));
    };
    const TakeOver taken = start();
    wire.after_write = nullptr;
    EXPECT_EQ(taken.found, Found::foreign);
    EXPECT_GT(taken.pause, Nanoseconds{});
    EXPECT_EQ(met, (std::set<std::uint64_t>{elsewhere, nothing, there}));
    EXPECT_TRUE(refuses(stranger));
}

TEST_F(Limits, WhatFirmwareLeftOn) {
    boot({}, {.live = true});
    // The boot loader's streams pass, and all that it knows nothing of.
    ASSERT_EQ(dma(stranger, here), here);
    bool was_refused = false;
    wire.after_write = [&] {
        const bool refused = refuses(stranger);
        EXPECT_TRUE(refused || !was_refused);
        was_refused = refused;
    };
    EXPECT_EQ(start().found, Found::pass_through);
    wire.after_write = nullptr;
    EXPECT_TRUE(was_refused);
    EXPECT_TRUE(refuses(0x7000) && refuses(0x7001)) << "its streams";
    EXPECT_EQ(dma(nic, here), there);
}

// With too few banks for both, the predecessor's streams cannot go on meanwhile.
TEST_F(Limits, TooFewBanksToGoOn) {
    contain({.banks = 4, .stage2_banks = 0});
    ASSERT_TRUE(make_space(elsewhere));
    kill();
    wire.after_write = [&] {
        EXPECT_TRUE(dma(nic, here) == there || refuses(nic));
        EXPECT_TRUE(refuses(disk) && refuses(stranger));
    };
    ASSERT_TRUE(open_driver());
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(make_space(there)) << i;
    std::swap(spaces.front(), spaces.back());
    const auto taken = take_over();
    wire.after_write = nullptr;
    ASSERT_TRUE(taken);
    EXPECT_EQ(taken->found, Found::foreign);
    EXPECT_EQ(dma(nic, here), there);
}

TEST_F(Limits, ASyncThatNeverEndsStopsTheUnit) {
    boot({}, {.never_syncs = true});
    ASSERT_TRUE(open_driver());
    ASSERT_TRUE(make_space(there));
    const auto taken = take_over();
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, EIO);
    EXPECT_THAT(taken.error().text, HasSubstr("sTLBGSTATUS was not confirmed within 1000 ms"));
    EXPECT_EQ(driver().state(), UnitState::failed);
    EXPECT_TRUE(driver().report().stop_confirmed);
    EXPECT_TRUE(all_refuse());
    EXPECT_EQ(take_over().error().code, EIO) << "and again";
    EXPECT_TRUE(all_refuse());
    may_complain = true;  // it is made to refuse nevertheless
    EXPECT_THAT(machine->complaints().all(),
                testing::ElementsAre(HasSubstr("translation begins before")));
}

// The unit stops answering later: what was to be forgotten is reachable no more.
TEST_F(Limits, ALaterSyncThatNeverEndsStopsTheUnit) {
    contain({}, {.sync_delay = 1});
    ASSERT_TRUE(map(space(), 0x9000, elsewhere, page));
    EXPECT_EQ(dma(nic, 0x9000), elsewhere);
    wire.says = [](std::uint64_t offset) {
        return (offset & 0xfff) == 0x7f4 || offset == 0x74 ? std::optional(1u) : std::nullopt;
    };
    EXPECT_EQ(unmap(space(), 0x9000, page).error().code, EIO);
    EXPECT_EQ(driver().state(), UnitState::failed);
    EXPECT_TRUE(driver().report().stop_confirmed);
    EXPECT_TRUE(all_refuse() && refuses(nic, 0x9000));
    EXPECT_EQ(driver().attach(StreamId{disk}, space()).error().code, EIO);
    EXPECT_EQ(take_over().error().code, EIO) << "the sync goes on";
    wire.says = nullptr;
    ASSERT_TRUE(take_over());
    EXPECT_EQ(dma(nic, here), there);
}

// What the old tables translated is over when a stream has left them.
TEST_F(Limits, LeavingASpaceWaitsForItsDma) {
    contain();
    const auto other = make_space(elsewhere);
    std::vector<std::uint64_t> offsets;
    wire.swallows = [&](std::uint64_t offset, std::uint64_t) {
        offsets.push_back(offset);
        return false;
    };
    const std::vector<std::uint64_t> change_forget_sync{0xc00, 0x64, 0x70};
    ASSERT_TRUE(driver().attach(StreamId{nic}, **other));
    EXPECT_EQ(offsets, change_forget_sync);
    offsets.clear();
    ASSERT_TRUE(driver().block(StreamId{nic}, Recording::on));
    EXPECT_EQ(offsets, change_forget_sync);
    offsets.clear();
    ASSERT_TRUE(driver().attach(StreamId{nic}, space()));
    EXPECT_EQ(offsets, (std::vector<std::uint64_t>{0xc00})) << "there was nothing to leave";
}

// One that died between switching a bank off and making its tag forgotten.
TEST_F(Limits, WhatAPredecessorDidNotMakeForgotten) {
    contain();
    const auto other = make_space(elsewhere);
    ASSERT_TRUE(driver().attach(StreamId{disk}, **other));
    EXPECT_EQ(dma(disk, here), elsewhere);
    bool dead = false;
    wire.swallows = [&](std::uint64_t offset, std::uint64_t) {
        dead = dead || (offset == 0x64 && refuses(disk) && driver().report().spaces == 1);
        return dead;
    };
    ASSERT_TRUE(driver().block(StreamId{disk}, Recording::on));
    ASSERT_TRUE(driver().retire(std::move(spaces.back())));
    spaces.pop_back();
    EXPECT_TRUE(dead);
    wire.swallows = nullptr;
    kill();
    EXPECT_EQ(start().found, Found::own);
    EXPECT_EQ(dma(nic, here), there);
}

// Prefetched translations outlive an invalidation by address, so none is used where they cannot be
// prevented.
TEST_F(Limits, PrefetchingThatSecureSoftwareKeepsOn) {
    contain({}, {.cache_locked = true});
    EXPECT_THAT(driver().report().mode, HasSubstr("PREFETCHES"));
    for (const std::uint64_t at : {0x10'0000u, 0x10'1000u, 0x10'2000u})
        ASSERT_TRUE(map(space(), at, 0x8600'0000 + at, page));
    EXPECT_EQ(dma(nic, 0x10'0000), 0x8610'0000u) << "and the next page is prefetched";
    ASSERT_TRUE(unmap(space(), 0x10'1000, page));
    EXPECT_TRUE(refuses(nic, 0x10'1000));
    EXPECT_EQ(dma(nic, 0x10'2000), 0x8610'2000u);
}

TEST_F(Limits, PrefetchingIsOffOtherwise) {
    contain();
    EXPECT_THAT(driver().report().mode, testing::Not(HasSubstr("PREFETCHES")));
}

// Firmware that has its own idea of S2CRs would leave open what this driver takes for closed.
TEST_F(Limits, RegistersThatDoNotKeepWhatIsWritten) {
    boot({}, {.live = true});
    ASSERT_TRUE(open_driver());
    ASSERT_TRUE(make_space(there));
    wire.swallows = [](std::uint64_t offset, std::uint64_t) { return offset == 0xc08; };
    const auto taken = take_over();
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, EIO);
    EXPECT_THAT(taken.error().text, HasSubstr("S2CR2"));
    EXPECT_FALSE(driver().report().stop_confirmed);
}

// A bank that is not what it was told to be may be off, and then passes everything.
TEST_F(Limits, ABankThatDoesNotTakeItsTablesIsNotUsed) {
    boot();
    const std::uint64_t first_bank = machine->unit(0).window_bytes() / 2;
    wire.swallows = [&](std::uint64_t offset, std::uint64_t value) {
        return offset >= first_bank && (offset & 0xfff) == 0 && (value & 1) != 0;
    };
    wire.after_write = [&] { EXPECT_TRUE(is_off() || all_refuse()); };
    ASSERT_TRUE(open_driver());
    ASSERT_TRUE(make_space(there));
    const auto taken = take_over();
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, EIO);
    EXPECT_THAT(taken.error().text, HasSubstr("does not hold what is written"));
    EXPECT_EQ(driver().state(), UnitState::failed);
    EXPECT_TRUE(all_refuse());
}

TEST_F(Limits, AUnitThatCannotBeMadeToFault) {
    boot({}, {.live = true});
    ASSERT_TRUE(open_driver());
    ASSERT_TRUE(make_space(there));
    wire.swallows = [](std::uint64_t offset, std::uint64_t) { return offset == 0; };
    EXPECT_EQ(take_over().error().code, EIO);
    EXPECT_EQ(driver().state(), UnitState::failed);
    EXPECT_FALSE(driver().report().stop_confirmed);
}

TEST_F(Limits, BoardGoneEndsQuickly) {
    contain();
    wire.gone = true;
    EXPECT_FALSE(driver().recheck());
    EXPECT_FALSE(driver().attach(StreamId{nic}, space()) &&
                 driver().block(StreamId{nic}, Recording::on));
    EXPECT_THAT(drained(), testing::IsEmpty());
    driver().hard_stop();
    EXPECT_FALSE(driver().report().stop_confirmed);
    EXPECT_EQ(take_over().error().code, ENXIO);
}

TEST_F(Limits, WhatIsChangedBehindItsBackIsSeen) {
    contain();
    const std::uint64_t bank = 16;  // of the first one, in pages
    struct {
        std::uint64_t offset;
        std::uint64_t value;
        unsigned bytes = 4;
    } const changes[] = {{0x000, 0, 4},                           // sCR0: unknown streams pass
                         {0x804, 1u << 31 | 7, 4},                // a further SMR
                         {0xc00, 1 << 16, 4},                     // S2CR: bypass
                         {0x1000 + 4 * 1, 0x7, 4},                // CBAR: another VMID
                         {bank * page + 0x1000, 0, 4},            // SCTLR: off
                         {bank * page + 0x1020, 0x80000000, 8},   // TTBR0
                         {bank * page + 0x1030, 0x80000000, 4}};  // TCR
    for (const auto& change : changes) {
        ASSERT_TRUE(driver().recheck());
        const std::uint64_t was = machine->unit(0).read(change.offset, change.bytes);
        machine->unit(0).write(change.offset, change.bytes, change.value);
        const auto checked = driver().recheck();
        ASSERT_FALSE(checked) << std::hex << change.offset;
        EXPECT_EQ(checked.error().code, ESTALE);
        machine->unit(0).write(change.offset, change.bytes, was);
    }
    EXPECT_TRUE(driver().recheck());
    may_complain = true;  // of what this test did
}

TEST_F(Limits, UnitsThatCannotBeUsed) {
    struct {
        model::Features features;
        const char* why;
    } const units[] = {
        {{.stage1 = false, .stage2 = false, .nested = false}, "neither stage"},
        {{.match_groups = 0}, "no register to match"},
        {{.stage2 = false, .nested = false, .banks = 4, .stage2_banks = 4}, "no context bank"},
        {{.granule_4k = false}, "MMU-400"}};
    for (const auto& unit : units) {
        boot(unit.features);
        const auto seen = features();
        ASSERT_FALSE(seen) << unit.why;
        EXPECT_EQ(seen.error().code, ENOTSUP);
        EXPECT_THAT(seen.error().text, HasSubstr(unit.why));
    }
    wire.gone = true;
    EXPECT_EQ(features().error().code, ENXIO);
}

TEST_F(Limits, RegisterPagesAreWhereIdr1SaysTheyAre) {
    boot();
    EXPECT_EQ(features()->register_bytes(), machine->unit(0).window_bytes());
    boot({.banks = 128, .large_pages = true});
    EXPECT_EQ(features()->register_bytes(), 2u * 128 * 0x10000);
}

// What firmware says of walks wins over the unit's own word.
TEST_F(Limits, CoherencyIsWhatTheTopologySays) {
    description.coherent_walks = false;
    boot();
    EXPECT_EQ(features()->coherency, memory::Coherency::not_snooped);
    description.coherent_walks.reset();
    EXPECT_EQ(features()->coherency, memory::Coherency::snooped);
}

}  // namespace
}  // namespace smmu::units::smmuv2

// SPDX-License-Identifier: Apache-2.0
// Transgressions: causes in their order, exact counts, readers and mutes.
#include "containment/attribution.hpp"
#include "containment/log.hpp"
#include "containment/storms.hpp"
#include "tests/unit/containment/house.hpp"

namespace smmu::containment::testing {
namespace {

class Refusals : public House {
public:
    Refusals() : a(client(100)), o(object(a)) {
        EXPECT_EQ(add(a, o, alone), 0);
        Identity watcher = somebody(900, 2000);
        watcher.abilities.monitor = true;
        monitor = *service->connect(watcher);
        reader = *service->open_reader(monitor);
        own = *service->open_reader(a);
    }
    // One refused access and the record it becomes.
    Transgression refused(std::uint32_t stream, std::uint64_t address,
                          Access access = Access::write) {
        EXPECT_FALSE(unit0->dma(StreamId{stream}, Iova{address}, access));
        service->drain();
        const auto record = reader->next();
        return record ? record->transgression : Transgression{};
    }
    Cause cause(std::uint32_t stream, std::uint64_t address, Access access = Access::write) {
        return refused(stream, address, access).cause;
    }
    ClientId a, monitor{};
    ObjectId o;
    Reader* reader = nullptr;
    Reader* own = nullptr;
};

TEST_F(Refusals, NameTheDeviceAndItsOwner) {
    const Transgression t = refused(8, 0x123456);
    EXPECT_EQ(t.device, DeviceIndex{0});
    EXPECT_EQ(t.owner_pid, 100);
    EXPECT_EQ(t.owner_object, o);
    EXPECT_EQ(t.address, Iova{0x123456});
    EXPECT_EQ(t.sequence, 1u);
    EXPECT_EQ(service->view(DeviceIndex{0}).refused, 1u);
    EXPECT_EQ(refused(8, 0x999000).sequence, 2u);
}

TEST_F(Refusals, CausesInTheirOrder) {
    EXPECT_EQ(cause(9999, 0x10000), Cause::unknown_stream);
    EXPECT_EQ(cause(16, 0x10000), Cause::not_attached);
    EXPECT_EQ(cause(8, 0xfed90010), Cause::protected_memory);
    EXPECT_EQ(cause(8, 0xfee00000), Cause::protected_memory);
    EXPECT_EQ(grant(a, o, 0x10000, page, Access::read), 0);
    EXPECT_EQ(cause(8, 0x10000), Cause::permission);
    EXPECT_EQ(cause(8, 0x11000), Cause::overrun);
    EXPECT_EQ(cause(8, 0xf000), Cause::overrun);
    EXPECT_EQ(cause(8, 0x12000), Cause::never_granted);
    EXPECT_EQ(grant(a, o, translated(0x1'2345'6000, page, 0x90000)), 0);
    EXPECT_EQ(cause(8, 0x2345'6010), Cause::truncated);
    EXPECT_EQ(cause(8, 0x2345'8010), Cause::never_granted);
    EXPECT_EQ(grant(a, o, 0x10000, page, Access::none), 0);
    clock.pause(std::chrono::milliseconds(5));
    const Transgression late = refused(8, 0x10ff0);
    EXPECT_EQ(late.cause, Cause::after_removal);
    EXPECT_EQ(late.since_removal, std::chrono::milliseconds(5));
    EXPECT_EQ(grant(a, o, 0x11000, page), 0);
    EXPECT_EQ(cause(8, 0x10000), Cause::after_removal) << "although it lies beside a grant";
    units::Refusal ours;
    ours.stream = StreamId{8};
    ours.reason = units::Refusal::Reason::configuration;
    unit0->refusals.push_back(ours);
    service->drain();
    EXPECT_EQ(reader->next()->transgression.cause, Cause::unit_configuration);
}

TEST_F(Refusals, EveryCauseHasItsName) {
    EXPECT_EQ(name(Cause::unit_configuration), "unit-configuration");
    EXPECT_EQ(name(Cause::unknown_stream), "unknown-stream");
    EXPECT_EQ(name(Cause::not_attached), "not-attached");
    EXPECT_EQ(name(Cause::protected_memory), "protected");
    EXPECT_EQ(name(Cause::permission), "permission");
    EXPECT_EQ(name(Cause::in_change), "in-change");
    EXPECT_EQ(name(Cause::after_removal), "after-removal");
    EXPECT_EQ(name(Cause::overrun), "overrun");
    EXPECT_EQ(name(Cause::truncated), "truncated");
    EXPECT_EQ(name(Cause::never_granted), "never-granted");
}

TEST_F(Refusals, InChangeWhileAGrantIsWidenedUntilTheNextDrain) {
    EXPECT_EQ(grant(a, o, 0x10000, page, Access::read), 0);
    auto widening = service->change_grants(a, o, request(0x10000, page));
    ASSERT_TRUE(widening);
    units::Budget none{0};
    EXPECT_EQ((*widening)->step(none), units::Progress::more);
    EXPECT_EQ(cause(8, 0x10000, Access::read), Cause::in_change);
    unit0->dma(StreamId{8}, Iova{0x10000}, Access::read);
    units::Budget budget;
    EXPECT_EQ((*widening)->step(budget), units::Progress::done);
    service->drain();
    EXPECT_EQ(reader->next()->transgression.cause, Cause::in_change)
        << "refused meanwhile, drained afterwards";
    units::Refusal stale;
    stale.stream = StreamId{8};
    stale.address = Iova{0x10000};
    stale.access = Access::read;
    unit0->refusals.push_back(stale);
    service->drain();
    EXPECT_NE(reader->next()->transgression.cause, Cause::in_change);
}

TEST_F(Refusals, WhatWasRefusedBeforeAnAttachHadNoOwner) {
    const ClientId b = client(200);
    const ObjectId p = object(b);
    EXPECT_EQ(grant(b, p, 0x10000, page), 0);
    EXPECT_FALSE(unit0->dma(StreamId{16}, Iova{0x10000}, Access::read));
    EXPECT_EQ(add(b, p, twin), 0);
    EXPECT_EQ(reader->next()->transgression.cause, Cause::not_attached);
}

TEST_F(Refusals, HistoryEndsWithItsObject) {
    EXPECT_EQ(grant(a, o, 0x10000, page), 0);
    EXPECT_EQ(grant(a, o, 0x10000, page, Access::none), 0);
    EXPECT_EQ(destroy(a, o), 0);
    EXPECT_EQ(cause(8, 0x10000), Cause::not_attached);
}

TEST_F(Refusals, HistoryKeepsTheLast1024Removals) {
    for (std::uint64_t i = 0; i < 1025; ++i) {
        EXPECT_EQ(grant(a, o, 0x1000000 + i * 4 * page, page), 0);
        EXPECT_EQ(grant(a, o, 0x1000000 + i * 4 * page, page, Access::none), 0);
    }
    EXPECT_EQ(cause(8, 0x1000000), Cause::never_granted);
    EXPECT_EQ(cause(8, 0x1000000 + 4 * page), Cause::after_removal);
}

TEST_F(Refusals, OwnDevicesOnlyUnlessMonitor) {
    refused(8, 0x10000);
    refused(16, 0x10000);
    EXPECT_TRUE(own->next());
    EXPECT_FALSE(own->next());
    EXPECT_EQ(service->open_reader(a).error().code, EBUSY);
}

TEST_F(Refusals, AWaitingRecordAbsorbsRepeats) {
    for (int i = 0; i < 5; ++i) unit0->dma(StreamId{8}, Iova{0x10000}, Access::write);
    service->drain();
    EXPECT_EQ(own->next()->transgression.count, 5u);
    EXPECT_FALSE(own->waiting());
    const auto count = own->count(DeviceIndex{0});
    EXPECT_EQ(count.seen, 5u);
    EXPECT_EQ(count.delivered, 1u);
    EXPECT_EQ(count.coalesced, 4u);
    EXPECT_EQ(count.dropped, 0u);
}

TEST_F(Refusals, OneDeviceHolds16SlotsAndTheLossIsSaidOnce) {
    for (std::uint64_t i = 0; i < 20; ++i)
        unit0->dma(StreamId{8}, Iova{0x10000 + i * 2 * page}, Access::write);
    service->drain();
    EXPECT_TRUE(own->next()->dropped_before);
    int records = 1;
    while (auto record = own->next()) {
        EXPECT_FALSE(record->dropped_before);
        EXPECT_EQ(record->transgression.address, Iova{0x10000 + std::uint64_t(records) * 2 * page})
            << "oldest first";
        ++records;
    }
    EXPECT_EQ(records, 16);
    EXPECT_EQ(own->count(DeviceIndex{0}).dropped, 4u);
}

TEST(Attributing, TruncatedLooksOnlyWhereGrantsAre) {
    Object owner{};
    Situation situation;
    situation.stream_known = true;
    situation.owner = &owner;
    units::Refusal refusal;
    refusal.reason = units::Refusal::Reason::not_mapped;
    refusal.address = Iova{0x5000};
    const std::uint64_t far = std::uint64_t{1} << 60;
    owner.grants.assign(iova(far + 0x5000, page), {PhysAddr{0x90000}, read_write});
    owner.grants.assign(iova(far / 2 + 0x7000, page), {PhysAddr{0x90000}, read_write});
    EXPECT_EQ(attribute(refusal, situation).cause, Cause::truncated);
    refusal.address = Iova{0x9000};
    EXPECT_EQ(attribute(refusal, situation).cause, Cause::never_granted);
    owner.grants.assign(iova(~std::uint64_t{0} - page + 1, page), {PhysAddr{0}, read_write});
    EXPECT_EQ(attribute(refusal, situation).cause, Cause::never_granted);
}

TEST(Attributing, WhatIsOverMakesRoomFirstInWhatIsInChange) {
    InChange in_change;
    in_change.add(iova(0, page));
    in_change.end();
    for (std::uint64_t i = 1; i < InChange::kept + 1; ++i) in_change.add(iova(i * page, page));
    EXPECT_EQ(in_change.size(), InChange::kept);
    EXPECT_FALSE(in_change.holds(Iova{0}));
    EXPECT_TRUE(in_change.holds(Iova{page}));
    in_change.add(iova(0, page));
    EXPECT_EQ(in_change.size(), InChange::kept);
    EXPECT_FALSE(in_change.holds(Iova{page}));
    EXPECT_TRUE(in_change.holds(Iova{0}));
}

TEST(Reading, AQuietDeviceKeepsItsRecordBesideStorms) {
    ReaderQueue queue(ReaderScope::everything);
    std::uint64_t seen = 0;
    const auto refuse = [&](std::uint32_t device, std::uint64_t address) {
        Transgression t;
        t.device = DeviceIndex{device};
        t.address = Iova{address};
        queue.put(t);
        ++seen;
    };
    for (std::uint32_t device = 0; device < 8; ++device)
        for (std::uint64_t i = 0; i < 40; ++i) refuse(device, i * page);
    refuse(77, 0);
    refuse(0, 39 * page);
    std::size_t slots = 0;
    bool quiet = false;
    std::uint64_t handed = 0;
    while (const auto record = queue.next()) {
        ++slots;
        handed += record->transgression.count;
        quiet = quiet || record->transgression.device == DeviceIndex{77};
    }
    EXPECT_EQ(slots, ReaderQueue::slots);
    EXPECT_TRUE(quiet);
    std::uint64_t counted = 0, dropped = 0;
    for (const std::uint32_t device : {0u, 1u, 2u, 3u, 4u, 5u, 6u, 7u, 77u}) {
        const auto count = queue.count(DeviceIndex{device});
        EXPECT_EQ(count.seen, count.delivered + count.coalesced + count.dropped);
        counted += count.seen;
        dropped += count.dropped;
    }
    EXPECT_EQ(counted, seen);
    EXPECT_EQ(handed + dropped, seen);
}

TEST_F(Refusals, ACallbackWhenAnEmptyReaderGetsARecord) {
    int calls = 0;
    own->on_waiting([&] { ++calls; });
    refused(8, 0x10000);
    refused(8, 0x20000);
    EXPECT_EQ(calls, 1);
    while (own->next()) {
    }
    refused(8, 0x30000);
    EXPECT_EQ(calls, 2);
}

TEST_F(Refusals, TheClientIsToldBeforeAnythingElseIsDone) {
    bool was_there = true;
    own->on_waiting([&] { was_there = own->waiting(); });
    refused(8, 0x10000);
    EXPECT_FALSE(was_there);
    EXPECT_TRUE(own->waiting()) << "and has its record when the call returns";
}

TEST_F(Refusals, HardwareLossIsAnEpisodeWithALowerBound) {
    unit0->lost = 3;
    service->drain();
    ASSERT_EQ(service->loss_episodes().size(), 1u);
    EXPECT_EQ(service->loss_episodes()[0].at_least, 3u);
    refused(8, 0x10000);
    EXPECT_TRUE(own->next()->dropped_before);
}

TEST_F(Refusals, AStormIsMutedAndUnmutedByTime) {
    EXPECT_EQ(grant(a, o, 0x10000, page), 0);
    for (std::uint64_t i = 0; i < Storms::storm_refusals; ++i)
        unit0->dma(StreamId{8}, Iova{0x900000}, Access::write);
    service->drain();
    EXPECT_TRUE(unit0->muted.contains(StreamId{8}));
    EXPECT_EQ(may(unit0, 8, 0x10000), "rw") << "its granted DMA goes on";
    EXPECT_EQ(service->loss_episodes().back().what, LossEpisode::What::muted);
    clock.pause(Storms::mute_time / 2);
    service->tick();
    EXPECT_TRUE(unit0->muted.contains(StreamId{8}));
    clock.pause(Storms::mute_time);
    service->tick();
    EXPECT_FALSE(unit0->muted.contains(StreamId{8}));
    EXPECT_EQ(may(unit0, 8, 0x10000), "rw");
}

TEST_F(Refusals, AStormOfABlockedDeviceIsMutedByItsBlock) {
    for (std::uint64_t i = 0; i < Storms::overflow_refusals; ++i)
        unit0->dma(StreamId{16}, Iova{0}, Access::read);
    unit0->lost = 1;
    service->drain();
    EXPECT_TRUE(unit0->muted.contains(StreamId{16}));
    EXPECT_EQ(machine.events.back(), "block 0:16");
    clock.pause(2 * Storms::mute_time);
    service->tick();
    EXPECT_FALSE(unit0->muted.contains(StreamId{16}));
}

}  // namespace
}  // namespace smmu::containment::testing

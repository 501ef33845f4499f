// SPDX-License-Identifier: Apache-2.0
// Millions of refusals, exactly accounted: what was seen of a device is what each reader was handed, what its records
// absorbed, what it lost and what waits. One device storming costs a quiet one nothing.
#include <random>

#include "tests/unit/containment/house.hpp"

namespace smmu::containment::testing {
namespace {

using namespace std::chrono_literals;

// Address sanitizer makes it twenty times slower: there it is a tenth of them. The clang build of ./test has none.
#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t accounted = 1'000'000;
#else
constexpr std::uint64_t accounted = 10'000'000;
#endif

class Accounting : public House {
protected:
    Accounting() {
        for (const pid_t pid : {100, 200}) {
            const ClientId connected = client(pid, uid_t(1000 + pid));
            EXPECT_EQ(add(connected, object(connected), pid == 100 ? DeviceQuery(alone) : DeviceQuery(twin)), 0);
            own.push_back(*service->open_reader(connected));
        }
        for (Reader*& reader : {std::ref(brisk), std::ref(stalled)}) {
            Identity watcher = somebody(900, 2000);
            watcher.abilities.monitor = true;
            reader = *service->open_reader(*service->connect(watcher));
        }
    }
    void inject(std::uint32_t stream, std::uint64_t address) {
        units::Refusal refusal;
        refusal.stream = StreamId{stream};
        refusal.address = Iova{address};
        refusal.access = Access::write;
        refusal.reason = units::Refusal::Reason::not_mapped;
        unit0->refusals.push_back(refusal);
    }
    static void expect_sound(const Reader::Count& count, std::uint64_t seen) {
        EXPECT_EQ(count.seen, seen);
        EXPECT_EQ(count.seen, count.delivered + count.coalesced + count.dropped + count.waiting);
    }
    static std::uint64_t read_all(Reader& reader, std::uint64_t& last_sequence, bool& dropped) {
        std::uint64_t read = 0;
        while (const auto record = reader.next()) {
            EXPECT_GT(record->transgression.sequence, last_sequence);
            last_sequence = record->transgression.sequence;
            dropped = dropped || record->dropped_before;
            ++read;
        }
        return read;
    }

    std::vector<Reader*> own;
    Reader *brisk = nullptr, *stalled = nullptr;
};

TEST_F(Accounting, RefusalsByTheMillionAddUp) {
    constexpr std::uint64_t refusals = accounted, round = 4096;
    // Streams of the two owned devices (0 and 1), of one that nobody has (3), and of none.
    constexpr std::array<std::uint32_t, 4> streams{8, 16, 24, 0x7777};
    std::array<std::uint64_t, 4> injected{};
    std::mt19937_64 random(1);
    std::uint64_t last_sequence = 0, lost = 0;
    bool dropped = false;
    for (std::uint64_t done = 0; done < refusals;) {
        for (std::uint64_t i = 0; i < round && done < refusals; ++i, ++done) {
            const std::uint64_t number = random();
            const std::size_t which = number & 3;
            ++injected[which];
            inject(streams[which], 0x2'0000'0000 + (number >> 8 & 0x3ff) * page);
        }
        if ((random() & 15) == 0) lost += unit0->lost = 3;
        while (service->drain()) {}
        if ((random() & 3) == 0) read_all(*brisk, last_sequence, dropped);
        clock.pause(1ms);
        service->tick();
        if (done % (round * 64) != 0 && done != refusals) continue;
        EXPECT_EQ(service->refusals_seen(), done);
        for (Reader* reader : {brisk, stalled}) {
            expect_sound(reader->count(DeviceIndex{0}), injected[0]);
            expect_sound(reader->count(DeviceIndex{1}), injected[1]);
            expect_sound(reader->count(DeviceIndex{3}), injected[2]);
            expect_sound(reader->count(std::nullopt), injected[3]);
        }
        expect_sound(own[0]->count(DeviceIndex{0}), injected[0]);
        expect_sound(own[1]->count(DeviceIndex{1}), injected[1]);
        EXPECT_EQ(own[0]->count(DeviceIndex{1}).seen, 0u);
        EXPECT_EQ(service->view(DeviceIndex{0}).refused, injected[0]);
    }
    EXPECT_EQ(service->refusals_seen(), refusals);
    EXPECT_TRUE(dropped) << "records were lost, and nobody was told";
    std::uint64_t in_episodes = 0;
    for (const LossEpisode& episode : service->loss_episodes()) in_episodes += episode.at_least;
    EXPECT_LE(in_episodes, lost);
    EXPECT_GT(in_episodes, 0u);
    std::uint64_t sequence = 0;
    EXPECT_LE(read_all(*stalled, sequence, dropped), 64u);
}

TEST_F(Accounting, AQuietDeviceIsHeardWhileAnotherStorms) {
    for (int position = 0; position < 200; ++position) {
        std::uint64_t address = 0x3'0000'0000;
        const Instant begun = clock.now();
        const std::uint64_t quiet = 0x4'0000'0000 + std::uint64_t(position) * page;
        bool heard_by_owner = false, heard_by_monitor = false;
        // The log is filled again at each look; the quiet device refuses once, somewhere in it.
        for (int look = 0; look < 20 && !(heard_by_owner && heard_by_monitor); ++look) {
            for (int i = 0; i < 600; ++i) {
                if (!unit0->muted.contains(StreamId{8})) inject(8, address += page);
                if (look == 0 && i == position * 3) inject(16, quiet);
            }
            service->drain();
            while (const auto record = own[1]->next()) heard_by_owner |= record->transgression.address == Iova{quiet};
            while (const auto record = brisk->next()) heard_by_monitor |= record->transgression.address == Iova{quiet};
            clock.pause(5ms);
            service->tick();
        }
        EXPECT_TRUE(heard_by_owner && heard_by_monitor) << position;
        EXPECT_LE(clock.now() - begun, 100ms);
        while (stalled->next()) {}
        while (own[0]->next()) {}
        clock.pause(2s);  // whoever was muted is heard again
        service->tick();
        EXPECT_FALSE(unit0->muted.contains(StreamId{8}));
    }
    std::uint64_t mutes = 0;
    for (const LossEpisode& episode : service->loss_episodes()) mutes += episode.what == LossEpisode::What::muted ? 1u : 0u;
    EXPECT_GE(mutes, 100u);
}

TEST_F(Accounting, AStormOfAStreamThatNobodyKnowsIsMutedToo) {
    for (int i = 0; i < 4096; ++i) inject(0x7777, 0x10000 + std::uint64_t(i) * page);
    service->drain();
    EXPECT_TRUE(unit0->muted.contains(StreamId{0x7777}));
    EXPECT_EQ(service->loss_episodes().back().stream, StreamId{0x7777});
    clock.pause(2s);
    service->tick();
    EXPECT_FALSE(unit0->muted.contains(StreamId{0x7777}));
    EXPECT_EQ(may(unit0, 0x7777, 0x10000), "-");
}

TEST_F(Accounting, StrangersCannotMakeTheServiceRememberWithoutEnd) {
    for (std::uint32_t stream = 0x1000; stream < 0x9000; ++stream) inject(stream, 0x10000);
    while (service->drain()) {}
    EXPECT_EQ(service->refusals_seen(), 0x8000u);
    EXPECT_LE(unit0->streams.size(), 600u) << "each stream that only refused once takes a place in the unit";
}

}  // namespace
}  // namespace smmu::containment::testing

// SPDX-License-Identifier: Apache-2.0
// What the driver does on every shape of unit that it drives: what is granted passes, nothing else
// does, at no instant.
#include "room.hpp"
#include "tests/unit/registers_alone.hpp"
#include "units/smmuv2/open.hpp"

namespace smmu::units::smmuv2 {
namespace {

struct Shape {
    const char* name;
    model::Features features;
    model::Behaviour behaviour = {};
};

void PrintTo(const Shape& shape, std::ostream* out) {
    *out << shape.name;
}

class Shapes : public Room, public testing::WithParamInterface<Shape> {
protected:
    void contain_shape() { contain(GetParam().features, GetParam().behaviour); }
    bool has_stage2() { return GetParam().features.stage2; }
};

TEST_P(Shapes, ContainWhatTheyAreGiven) {
    contain_shape();
    EXPECT_EQ(dma(nic, here + 0x10), there + 0x10);
    EXPECT_EQ(dma(nic, here, true), there);
    for (const std::uint32_t stream : {disk, stranger, late}) EXPECT_TRUE(refuses(stream));
    EXPECT_TRUE(refuses(nic, here + page));
    EXPECT_TRUE(driver().recheck());
    EXPECT_EQ(driver().report().spaces, 1u);
}

// Off until the one write that makes it contain.
TEST_P(Shapes, AreSwitchedOnInOneStep) {
    boot(GetParam().features, GetParam().behaviour);
    bool was_on = false;
    wire.after_write = [&] {
        was_on = was_on || !is_off();
        if (was_on) {
            EXPECT_EQ(dma(nic, here), there);
            EXPECT_TRUE(refuses(disk) && refuses(stranger));
        } else {
            EXPECT_EQ(dma(nic, here), here) << "it passes as it did before";
        }
    };
    EXPECT_EQ(start().found, Found::off);
    EXPECT_TRUE(was_on);
}

TEST_P(Shapes, WithNothingToGoOnRefuseAtOnce) {
    boot(GetParam().features, GetParam().behaviour);
    ASSERT_TRUE(open_driver());
    std::uint64_t open_writes = 0;
    wire.after_write = [&] {
        if (is_off())
            open_writes = wire.writes;
        else
            EXPECT_TRUE(all_refuse());
    };
    const Assignment blocked[] = {{StreamId{nic}, nullptr}, {StreamId{disk}, nullptr}};
    ASSERT_TRUE(driver().take_over(blocked));
    EXPECT_LE(open_writes, 2 * GetParam().features.streams());
    EXPECT_TRUE(driver().recheck());
}

// The service was killed and its tables are lost: at no write does anything pass that did not before.
TEST_P(Shapes, AreShutWithoutTables) {
    contain_shape();
    EXPECT_EQ(dma(nic, here), there);
    kill();
    RegistersAlone host([&] { return std::make_unique<Forwarding>(machine->unit(0), wire); });
    wire.after_write = [&] {
        EXPECT_TRUE(refuses(disk) && refuses(stranger) && refuses(late) && refuses(nic, here + page));
        const std::uint64_t end = dma(nic, here);
        EXPECT_TRUE(end == there || end == nothing);
    };
    const auto done = shut(host, description, clock);
    wire.after_write = nullptr;
    ASSERT_TRUE(done) << done.error().text;
    EXPECT_FALSE(is_off());
    EXPECT_TRUE(all_refuse());
    std::memset(machine->memory().at(tables), 0xff, table_bytes);
    EXPECT_TRUE(all_refuse()) << "no bank walks what were tables";
}

TEST_P(Shapes, SayWhenTheyAreNotShut) {
    contain_shape();
    kill();
    RegistersAlone host([&] { return std::make_unique<Forwarding>(machine->unit(0), wire); });
    wire.swallows = [&](std::uint64_t, std::uint64_t) { return true; };
    EXPECT_EQ(shut(host, description, clock).error().code, EIO);
}

TEST_P(Shapes, ForgetWhatIsUnmapped) {
    contain_shape();
    for (const std::uint64_t pages : {1u, 3u, 64u, 65u, 600u}) {
        const std::uint64_t length = pages * page, at = 0x10'0000;
        // A neighbour stays, so that leaves alone disappear.
        ASSERT_TRUE(map(space(), at - page, 0x8600'0000, page));
        ASSERT_TRUE(map(space(), at, 0x8700'0000, length));
        for (std::uint64_t i = 0; i < pages; ++i)
            ASSERT_EQ(dma(nic, at + i * page), 0x8700'0000 + i * page);
        EXPECT_EQ(dma(nic, at - page), 0x8600'0000u);
        ASSERT_TRUE(unmap(space(), at, length));
        for (std::uint64_t i = 0; i < pages; ++i) ASSERT_TRUE(refuses(nic, at + i * page));
        EXPECT_EQ(dma(nic, at - page), 0x8600'0000u);
        ASSERT_TRUE(unmap(space(), at - page, page));
        EXPECT_TRUE(refuses(nic, at - page));
    }
    EXPECT_EQ(dma(nic, here), there);
    ASSERT_TRUE(unmap(space(), here, page) && map(space(), here, there, page, Access::read));
    EXPECT_EQ(dma(nic, here), there);
    EXPECT_EQ(dma(nic, here, true), nothing);
    if (!has_stage2()) return;
    ASSERT_TRUE(unmap(space(), here, page) && map(space(), here, there, page, Access::write));
    EXPECT_EQ(dma(nic, here), nothing);
    EXPECT_EQ(dma(nic, here, true), there);
}

TEST_P(Shapes, MapLargeLeaves) {
    contain_shape();
    constexpr std::uint64_t at = 0x4000'0000, to = 0x8400'0000, length = 4 << 20;
    ASSERT_TRUE(map(space(), at, to, length));
    EXPECT_EQ(dma(nic, at + length - 1), to + length - 1);
    ASSERT_TRUE(unmap(space(), at + page, page)) << "a large leaf is cut";
    EXPECT_TRUE(refuses(nic, at + page));
    EXPECT_EQ(dma(nic, at), to);
    EXPECT_EQ(dma(nic, at + 2 * page), to + 2 * page);
    ASSERT_TRUE(unmap(space(), 0, 0x8000'0000));
    EXPECT_TRUE(refuses(nic, at));
}

TEST_P(Shapes, MoveAStreamFromSpaceToSpace) {
    contain_shape();
    const auto other = make_space(elsewhere);
    ASSERT_TRUE(other);
    wire.after_write = [&] {
        const std::uint64_t at = dma(nic, here);
        EXPECT_TRUE(at == there || at == elsewhere) << std::hex << at;
        EXPECT_TRUE(refuses(disk) && refuses(stranger));
    };
    ASSERT_TRUE(driver().attach(StreamId{nic}, **other));
    wire.after_write = nullptr;
    EXPECT_EQ(dma(nic, here), elsewhere);
    ASSERT_TRUE(driver().attach(StreamId{disk}, **other));
    EXPECT_EQ(dma(disk, here), elsewhere);
    wire.after_write = [&] { EXPECT_TRUE(dma(nic, here) == elsewhere || refuses(nic)); };
    ASSERT_TRUE(driver().block(StreamId{nic}, Recording::on));
    wire.after_write = [&] { EXPECT_TRUE(refuses(nic) && refuses(stranger)); };
    EXPECT_TRUE(refuses(nic));
    ASSERT_TRUE(driver().block(StreamId{disk}, Recording::muted));
    EXPECT_TRUE(refuses(disk));
    ASSERT_TRUE(driver().block(StreamId{disk}, Recording::on));
    ASSERT_TRUE(driver().retire(std::move(spaces.back())));
    spaces.pop_back();
    wire.after_write = nullptr;
    ASSERT_TRUE(driver().attach(StreamId{nic}, space()));
    EXPECT_EQ(dma(nic, here), there);
    EXPECT_TRUE(driver().recheck());
}

// A bank and its tag come again: nothing of the space before is left under them.
TEST_P(Shapes, UseBanksAgain) {
    contain_shape();
    for (int round = 0; round < 100; ++round) {
        const std::uint64_t target = 0x8600'0000 + std::uint64_t(round) * page;
        const auto made = make_space(target);
        ASSERT_TRUE(made) << made.error().text;
        ASSERT_TRUE(driver().attach(StreamId{disk}, **made));
        ASSERT_EQ(dma(disk, here), target);
        ASSERT_TRUE(driver().block(StreamId{disk}, Recording::on));
        ASSERT_TRUE(driver().retire(std::move(spaces.back())));
        spaces.pop_back();
    }
}

TEST_P(Shapes, SayOfRefusalsWhatHardwareSays) {
    contain_shape();
    ASSERT_TRUE(driver().drain(*std::make_unique<Collected>()).seen == 0);
    EXPECT_EQ(dma(nic, 0x6123), nothing);
    EXPECT_EQ(dma(disk, 0x7008, true), nothing);
    Collected seen;
    const Drained drained = driver().drain(seen);
    EXPECT_EQ(drained.seen, 2u);
    EXPECT_EQ(drained.lost, 0u);
    ASSERT_EQ(seen.all.size(), 2u);
    EXPECT_EQ(seen.all[0].stream, StreamId{disk});
    EXPECT_EQ(seen.all[0].address, Iova{0x7008});
    EXPECT_EQ(seen.all[0].access, Access::write);
    EXPECT_EQ(seen.all[0].reason, Refusal::Reason::unknown_stream);
    EXPECT_EQ(seen.all[1].stream, StreamId{nic});
    EXPECT_EQ(seen.all[1].address, Iova{0x6123});
    EXPECT_EQ(seen.all[1].access, Access::read);
    EXPECT_EQ(seen.all[1].reason, Refusal::Reason::not_mapped);
    EXPECT_EQ(seen.all[1].stage, has_stage2() ? 2 : 1);
    EXPECT_FALSE(driver().drain(seen).more);
    // While a fault is there a further one leaves only that there was one.
    for (int i = 0; i < 5; ++i) EXPECT_EQ(dma(nic, 0x6000), nothing);
    EXPECT_EQ(driver().drain(seen).lost, 1u);
    EXPECT_EQ(driver().drain(seen).lost, 0u);
    ASSERT_TRUE(map(space(), 0x9000, there, page, Access::read));
    EXPECT_EQ(dma(nic, 0x9000, true), nothing);
    driver().drain(seen);
    EXPECT_EQ(seen.all.back().reason, Refusal::Reason::permission);
}

TEST_P(Shapes, MutedStreamsAreNotHeardOf) {
    contain_shape();
    ASSERT_TRUE(driver().block(StreamId{disk}, Recording::muted));
    ASSERT_TRUE(driver().record(StreamId{nic}, Recording::muted));
    EXPECT_TRUE(refuses(disk) && refuses(nic, 0x6000));
    EXPECT_EQ(dma(nic, here), there) << "its granted DMA goes on";
    EXPECT_THAT(drained(), testing::IsEmpty());
    ASSERT_TRUE(driver().record(StreamId{nic}, Recording::on));
    ASSERT_TRUE(driver().block(StreamId{disk}, Recording::on));
    EXPECT_TRUE(refuses(disk) && refuses(nic, 0x6000));
    EXPECT_EQ(drained().size(), 2u);
}

TEST_P(Shapes, AHardStopRefusesAtOnceAndForGood) {
    contain_shape();
    bool had_stopped = false;
    wire.after_write = [&] {
        EXPECT_TRUE(refuses(disk) && refuses(stranger));
        const bool stopped = refuses(nic);
        EXPECT_TRUE(stopped || !had_stopped);
        EXPECT_TRUE(stopped || dma(nic, here) == there);
        had_stopped = stopped;
    };
    driver().hard_stop();
    EXPECT_TRUE(all_refuse());
    EXPECT_EQ(driver().state(), UnitState::failed);
    EXPECT_TRUE(driver().report().stop_confirmed);
    EXPECT_EQ(unmap(space(), here, page).error().code, EIO);
    wire.after_write = [&] { EXPECT_TRUE(refuses(disk) && refuses(stranger)); };
    const auto again = take_over();
    ASSERT_TRUE(again) << again.error().text;
    EXPECT_EQ(again->found, Found::foreign);
    wire.after_write = nullptr;
    EXPECT_TRUE(driver().recheck());
}

TEST_P(Shapes, AnOrderlyStopKeepsWhatItIsToldTo) {
    contain_shape();
    ASSERT_TRUE(driver().attach(StreamId{disk}, space()));
    const Assignment kept[] = {{StreamId{nic}, &space()}, {StreamId{disk}, nullptr}};
    ASSERT_TRUE(driver().leave(kept));
    EXPECT_EQ(dma(nic, here), there);
    EXPECT_TRUE(refuses(disk));
    ASSERT_TRUE(driver().leave({}));
    EXPECT_TRUE(all_refuse());
}

TEST_P(Shapes, TurnedOffEverythingPasses) {
    contain_shape();
    ASSERT_TRUE(driver().turn_off());
    EXPECT_EQ(dma(stranger, here), here);
    EXPECT_EQ(driver().state(), UnitState::untouched);
    may_complain = true;  // that is what it complains of
    EXPECT_THAT(machine->complaints().all(), testing::ElementsAre(testing::HasSubstr("CLIENTPD")));
    ASSERT_TRUE(take_over());
    EXPECT_EQ(dma(nic, here), there);
    EXPECT_TRUE(refuses(stranger));
    EXPECT_EQ(machine->complaints().all().size(), 1u);
}

TEST_P(Shapes, ASuccessorGoesOnWithoutRefusing) {
    contain_shape();
    const auto other = make_space(elsewhere);
    ASSERT_TRUE(driver().attach(StreamId{disk}, **other));
    ASSERT_TRUE(driver().block(StreamId{late}, Recording::muted));
    kill();
    wire.after_write = [&] {
        EXPECT_EQ(dma(nic, here), there) << "of the predecessor's space, or of the new one";
        EXPECT_TRUE(dma(disk, here) == elsewhere || refuses(disk));
        EXPECT_TRUE(refuses(stranger) && refuses(late));
    };
    const TakeOver taken = start();
    EXPECT_EQ(taken.found, Found::own);
    EXPECT_EQ(taken.pause, Nanoseconds{});
    wire.after_write = nullptr;
    EXPECT_TRUE(refuses(disk));
    EXPECT_TRUE(driver().recheck());
    ASSERT_TRUE(unmap(space(), here, page));
    EXPECT_TRUE(refuses(nic));
}

// Wherever a driver was killed: at no write of it or of its successor anything passes that was not
// granted.
class Deaths : public Shapes {
protected:
    // One that dies at its write number `death`, and then its successor. False when the first one
    // lived on.
    bool die_and_succeed(std::uint64_t death) {
        const std::uint64_t first = wire.writes;
        wire.swallows = [&, first](std::uint64_t, std::uint64_t) {
            return wire.writes - first >= death;
        };
        wire.after_write = [&, death] {
            if (is_off()) return;
            const std::uint64_t at = dma(nic, here);
            EXPECT_TRUE(at == there || at == nothing) << "death at write " << death;
            EXPECT_TRUE(refuses(disk) && refuses(stranger)) << "death at write " << death;
        };
        (void)open_driver();
        (void)make_space(there);
        std::swap(spaces.front(), spaces.back());
        (void)take_over();
        const bool died = wire.writes - first >= death;
        wire.swallows = nullptr;
        kill();
        start();
        wire.after_write = nullptr;
        EXPECT_EQ(dma(nic, here), there) << "death at write " << death;
        EXPECT_TRUE(refuses(disk) && refuses(stranger)) << "death at write " << death;
        EXPECT_TRUE(driver().recheck());
        EXPECT_THAT(machine->complaints().all(), testing::IsEmpty()) << "death at write " << death;
        return died && !HasFailure();
    }
};

TEST_P(Deaths, OfOneThatTakesOverAPredecessor) {
    std::uint64_t death = 0;
    do {
        contain_shape();
        kill();
    } while (die_and_succeed(++death));
    EXPECT_GT(death, 10u);
}

TEST_P(Deaths, OfOneThatTakesOverAUnitThatIsOff) {
    std::uint64_t death = 0;
    do boot(GetParam().features, GetParam().behaviour);
    while (die_and_succeed(++death));
    EXPECT_GT(death, 50u);
}

// The disk is attached, blocked and attached again; each write of that may be the last one.
TEST_P(Deaths, OfOneThatAttachesAndBlocks) {
    bool died = true;
    for (std::uint64_t death = 1; died && !HasFailure(); ++death) {
        contain_shape();
        const std::uint64_t first = wire.writes;
        wire.swallows = [&](std::uint64_t, std::uint64_t) { return wire.writes - first >= death; };
        (void)driver().attach(StreamId{late}, space());
        (void)driver().block(StreamId{late}, Recording::on);
        died = wire.writes - first >= death;
        wire.swallows = nullptr;
        kill();
        EXPECT_EQ(start().found, Found::own) << "death at write " << death;
        EXPECT_EQ(dma(nic, here), there) << "death at write " << death;
        EXPECT_TRUE(refuses(late) && refuses(disk) && refuses(stranger)) << "death at write " << death;
        EXPECT_TRUE(driver().recheck()) << "death at write " << death;
    }
}

const Shape shapes[] = {
    {"usual", {}},
    {"extended_ids", {.extended_ids = true}},
    {"indexed", {.stream_matching = false, .stream_bits = 6}},
    {"stage1", {.stage2 = false, .nested = false, .stage2_banks = 0}},
    {"stage1_of_both_kinds_of_banks", {.stage2 = false, .nested = false, .stage2_banks = 3}},
    {"stage2", {.stage1 = false, .nested = false, .stage2_banks = 16}},
    {"bits40", {.input_bits = 40, .output_bits = 40}},
    {"bits42", {.input_bits = 42, .output_bits = 42}},
    {"bits36_of_44", {.input_bits = 36, .output_bits = 44}},
    {"bits32", {.input_bits = 32, .output_bits = 36}},
    {"large_pages", {.large_pages = true}},
    {"many", {.match_groups = 128, .banks = 128, .stage2_banks = 64}},
    {"few", {.match_groups = 8, .banks = 8, .stage2_banks = 2}},
    {"wide_vmids", {.wide_vmid = true}},
    {"detects_conflicts", {.conflict_detection = true}},
    {"not_coherent", {.coherent = false}},
    {"no_cache_lock", {.major = 1}},
    {"slow", {}, {.sync_delay = 20}},
    {"clean_reset", {}, {.undefined_reset = false}},
};
std::string name_of(const testing::TestParamInfo<Shape>& tested) {
    return tested.param.name;
}
INSTANTIATE_TEST_SUITE_P(Smmuv2, Shapes, testing::ValuesIn(shapes), name_of);
INSTANTIATE_TEST_SUITE_P(Smmuv2, Deaths, testing::ValuesIn(shapes), name_of);

}  // namespace
}  // namespace smmu::units::smmuv2

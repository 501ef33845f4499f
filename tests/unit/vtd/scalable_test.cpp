// SPDX-License-Identifier: Apache-2.0
// Scalable mode, in both stages: the same promises as in legacy mode, kept through other tables.
#include "bench.hpp"

namespace bench {
namespace {

using units::Assignment;
using units::Found;
using units::Recording;
using units::Refusal;

silicon::Parameters scalable(bool first_stage) {
    silicon::Parameters parameters;
    parameters.scalable = true;
    (first_stage ? parameters.first_stage : parameters.second_stage) = true;
    return parameters;
}

// Everything of bus 0 through one identity gigabyte under domain 1, in scalable mode.
void set_up_foreign_scalable(silicon::Unit& unit) {
    const std::uint64_t base = silicon::memory_base + silicon::memory_bytes - 8 * page;
    unit.set_word(base, (base + page) | 1);
    for (std::uint64_t function = 0; function < 128; ++function)
        unit.set_word(base + page + 32 * function, (base + 2 * page) | 1);
    unit.set_word(base + 2 * page, (base + 3 * page) | 1);
    const bool first = unit.parameters.first_stage;
    unit.set_word(base + 3 * page, first ? 1 | 1 << 6 : (base + 4 * page) | 1 | 2 << 2 | 2 << 6);
    unit.set_word(base + 3 * page + 8, 1);
    if (first) unit.set_word(base + 3 * page + 16, base + 4 * page);
    unit.set_word(base + 4 * page, (base + 5 * page) | 0x27);
    unit.set_word(base + 5 * page, 0xe7);
    unit.root = unit.latched_root = base | 0x400;
    unit.status = 0xc000'0000;
}

class Scalable : public testing::TestWithParam<bool> {
protected:
    bool first() const { return GetParam(); }
    silicon::Parameters parameters = scalable(GetParam());
};

TEST_P(Scalable, IsSaidWithWhatItCosts) {
    Bench bench(parameters);
    const units::Capabilities& capabilities = bench.iommu().capabilities();
    EXPECT_EQ(capabilities.input_bits, first() ? 47u : 48u);
    EXPECT_EQ(capabilities.write_implies_read, first());
    EXPECT_TRUE(bench.iommu().report().mode.starts_with(
        first() ? "scalable, first stage (a write grant also reads), 47-bit, 4 levels"
                : "scalable, second stage, 48-bit, 4 levels"))
        << bench.iommu().report().mode;
    bench.end();
}

TEST_P(Scalable, OffOpensNothingAtAnyMoment) {
    for (const bool root_invalidates : {false, true}) {
        for (const bool caching : {false, true}) {
            parameters.root_invalidates = root_invalidates;
            parameters.caching_mode = caching;
            Bench bench(parameters);
            bench.unit.after_write = [&] {
                if ((bench.unit.status & 0x8000'0000) == 0) return;
                EXPECT_FALSE(bench.passes(nic, 0x7000'5000));
                EXPECT_FALSE(bench.passes(disk, 0x5000));
                EXPECT_FALSE(bench.passes(remote, 0x5000));
                EXPECT_FALSE(bench.passes(0x98, 0x5000));
            };
            auto taken = bench.take_over();
            ASSERT_TRUE(taken) << taken.error().text;
            EXPECT_EQ(taken->found, Found::off);
            EXPECT_EQ(bench.unit.dma(nic, 0x5008, true).address, 0x7000'5008u);
            EXPECT_EQ(bench.unit.dma(nic, 0x6000, true).reason, first() ? 0x71u : 0x79u);
            EXPECT_EQ(bench.unit.dma(disk, 0x5000, false).reason, first() ? 0x71u : 0x79u);
            EXPECT_EQ(bench.unit.dma(0x30, 0x5000, false).reason, 0x41u);
            // In caching mode what the first tries met was remembered as an absent context.
            const unsigned no_table = caching ? 0x41 : 0x39;
            EXPECT_EQ(bench.unit.dma(0x98, 0x5000, false).reason, no_table);  // same bus
            EXPECT_EQ(bench.unit.dma(remote, 0x5000, false).reason, no_table);
            EXPECT_TRUE(bench.iommu().recheck()) << bench.iommu().recheck().error().text;
            bench.end();
        }
    }
}

TEST_P(Scalable, EveryCacheIsForgottenAfterThoseThatFillIt) {
    Bench bench(parameters);
    ASSERT_TRUE(bench.take_over());
    EXPECT_EQ(bench.unit.commands,
              (std::vector<std::string>{"context global", "wait fence", "pasid global",
                                        "wait fence", "iotlb global", "wait"}));
    bench.end();
}

TEST_P(Scalable, BothHalvesOfABus) {
    Bench bench(parameters);
    ASSERT_TRUE(bench.take_over());
    constexpr std::uint16_t streams[] = {0x07f, 0x080, 0x0ff, 0x2180, 0xff7f, 0xffff};
    for (const std::uint16_t stream : streams) {
        EXPECT_FALSE(bench.passes(stream, 0x5000));
        ASSERT_TRUE(bench.iommu().attach(StreamId{stream}, *bench.first));
        EXPECT_TRUE(bench.passes(stream, 0x5000)) << stream;
        ASSERT_TRUE(bench.iommu().block(StreamId{stream}, Recording::on));
        EXPECT_FALSE(bench.passes(stream, 0x5000));
    }
    bench.end();
}

TEST_P(Scalable, UnmapForgetsWhatWasCachedAndNoMore) {
    for (const bool page_selective : {true, false}) {
        parameters.page_selective = page_selective;
        Bench bench(parameters);
        ASSERT_TRUE(bench.take_over());
        ASSERT_TRUE(map(*bench.first, 0x6000, 0x7000'6000, page));
        ASSERT_TRUE(map(*bench.first, 0x20'0000, 0x6000'0000, 2u << 20));
        EXPECT_TRUE(bench.passes(nic, 0x5000) && bench.passes(nic, 0x6000));
        EXPECT_TRUE(bench.passes(nic, 0x2f'f000));
        ASSERT_TRUE(unmap(*bench.first, 0x5000, page));
        EXPECT_FALSE(bench.passes(nic, 0x5000));
        EXPECT_TRUE(bench.passes(nic, 0x6000));
        ASSERT_TRUE(unmap(*bench.first, 0x2f'f000, page));
        EXPECT_FALSE(bench.passes(nic, 0x2f'f000));
        EXPECT_EQ(bench.unit.dma(nic, 0x2f'e008, true).address, 0x600f'e008u);
        ASSERT_TRUE(unmap(*bench.first, 0x6000, page));
        EXPECT_FALSE(bench.passes(nic, 0x6000));
        bench.end();
    }
}

TEST_P(Scalable, CachingModeSeesWhatAppears) {
    parameters.caching_mode = true;
    Bench bench(parameters);
    ASSERT_TRUE(bench.take_over());
    for (const std::uint16_t stream : {disk, remote}) {
        EXPECT_FALSE(bench.passes(stream, 0x9000));
        ASSERT_TRUE(bench.iommu().attach(StreamId{stream}, *bench.first));
        EXPECT_FALSE(bench.passes(stream, 0x9000));
        ASSERT_TRUE(map(*bench.first, 0x9000, 0x7000'9000, page));
        EXPECT_TRUE(bench.passes(stream, 0x9000));
        ASSERT_TRUE(unmap(*bench.first, 0x9000, page));
        ASSERT_TRUE(bench.iommu().block(StreamId{stream}, Recording::on));
    }
    bench.end();
}

TEST_P(Scalable, StreamsMoveFromSpaceToSpaceByOneStore) {
    Bench bench(parameters);
    ASSERT_TRUE(bench.take_over());
    auto second = bench.service.space();
    ASSERT_TRUE(map(*second, 0x5000, 0x7100'5000, page));
    EXPECT_EQ(bench.unit.dma(nic, 0x5000, true).address, 0x7000'5000u);
    const std::size_t before = bench.unit.commands.size();
    // Whatever hardware looks at meanwhile, it sees one of the two spaces.
    bench.unit.after_write = [&] { EXPECT_TRUE(bench.passes(nic, 0x5000)); };
    ASSERT_TRUE(bench.iommu().attach(StreamId{nic}, *second));
    bench.unit.after_write = nullptr;
    EXPECT_EQ(bench.unit.dma(nic, 0x5000, true).address, 0x7100'5000u);
    ASSERT_EQ(bench.unit.commands.size(), before + 6);
    EXPECT_EQ(bench.unit.commands[before], "context global") << "entries of scalable mode name no domain";
    EXPECT_TRUE(bench.unit.commands[before + 2].starts_with("pasid domain"));
    EXPECT_TRUE(bench.unit.commands[before + 4].starts_with(first() ? "piotlb" : "iotlb domain"));
    ASSERT_TRUE(bench.iommu().block(StreamId{nic}, Recording::on));
    EXPECT_FALSE(bench.passes(nic, 0x5000));
    const auto held = bench.service.account->held;
    bench.service.retire(second);
    EXPECT_LT(bench.service.account->held, held);
    bench.end();
}

TEST_P(Scalable, FramesOfASpaceComeBackAndAreNotWalkedAnyMore) {
    Bench bench(parameters);
    ASSERT_TRUE(bench.take_over());
    const auto held = bench.service.account->held;
    for (int round = 0; round < 5; ++round) {
        auto space = bench.service.space();
        ASSERT_TRUE(map(*space, 0x5000, 0x7200'5000, page));
        ASSERT_TRUE(bench.iommu().attach(StreamId{disk}, *space));
        EXPECT_TRUE(bench.passes(disk, 0x5000));
        ASSERT_TRUE(bench.iommu().block(StreamId{disk}, Recording::on));
        bench.service.retire(space);
        EXPECT_EQ(bench.service.account->held, held);
        EXPECT_FALSE(bench.passes(disk, 0x5000));
    }
    bench.end();
}

TEST_P(Scalable, NoFramesForASpaceLeaveNothingBehind) {
    Bench bench(parameters);
    ASSERT_TRUE(bench.take_over());
    const auto held = bench.service.account->held;
    for (std::uint64_t more = 0; more < 6; ++more) {
        bench.service.account->limit = held + more;
        auto space = bench.iommu().create_space(*bench.service.account);
        if (space) {
            EXPECT_GE(more, 3u);
            ASSERT_TRUE(bench.iommu().retire(std::move(*space)));
        }
        EXPECT_EQ(bench.service.account->held, held);
    }
    bench.service.account->limit = ~0ull;
    bench.end();
}

TEST_P(Scalable, RefusalsAreDecodedAndMuted) {
    Bench bench(parameters);
    ASSERT_TRUE(bench.take_over());
    ASSERT_TRUE(map(*bench.first, 0x8000, 0x7000'8000, page, Access::read));
    bench.unit.dma(nic, 0x6123, true);
    bench.unit.dma(nic, 0x8008, true);
    bench.unit.dma(disk, 0x5000, false);
    bench.unit.dma(remote, 0xa000, true);
    Collected seen;
    EXPECT_EQ(bench.iommu().drain(seen).seen, 4u);
    ASSERT_EQ(seen.all.size(), 4u);
    const std::uint8_t stage = first() ? 1 : 2;
    EXPECT_EQ(seen.all[0].reason, Refusal::Reason::not_mapped);
    EXPECT_EQ(seen.all[0].stage, stage);
    EXPECT_EQ(seen.all[1].reason, Refusal::Reason::permission);
    EXPECT_EQ(seen.all[1].stage, stage);
    EXPECT_EQ(seen.all[2].reason, Refusal::Reason::not_mapped);
    EXPECT_EQ(seen.all[3].reason, Refusal::Reason::unknown_stream);
    ASSERT_TRUE(bench.iommu().record(StreamId{nic}, Recording::muted));
    ASSERT_TRUE(bench.iommu().block(StreamId{disk}, Recording::muted));
    EXPECT_TRUE(bench.passes(nic, 0x5000));
    EXPECT_FALSE(bench.passes(nic, 0x6000) || bench.passes(disk, 0x5000));
    EXPECT_EQ(bench.iommu().drain(seen).seen, 0u);
    ASSERT_TRUE(bench.iommu().record(StreamId{nic}, Recording::on));
    EXPECT_FALSE(bench.passes(nic, 0x6000));
    EXPECT_EQ(bench.iommu().drain(seen).seen, 1u);
    bench.end();
}

TEST_P(Scalable, ForeignTablesOfThisModeAreReplacedOnEveryUnit) {
    for (const bool root_invalidates : {false, true}) {
        parameters.root_invalidates = root_invalidates;
        Bench bench(parameters);
        set_up_foreign_scalable(bench.unit);
        EXPECT_TRUE(bench.passes(nic, 0x9000));
        auto taken = bench.take_over();
        ASSERT_TRUE(taken) << taken.error().text;
        EXPECT_EQ(taken->found, Found::foreign);
        EXPECT_FALSE(bench.passes(nic, 0x9000) || bench.passes(0x10, 0x9000));
        EXPECT_TRUE(bench.passes(nic, 0x5000));
        EXPECT_TRUE(bench.iommu().recheck());
        bench.end();
    }
}

TEST_P(Scalable, AbortModeOfSomebodyElseIsLeftWhereThatIsPossible) {
    for (const bool root_invalidates : {false, true}) {
        parameters.root_invalidates = root_invalidates;
        Bench bench(parameters);
        bench.unit.root = bench.unit.latched_root = 0xc00;
        bench.unit.status = 0xc000'0000;
        auto taken = bench.take_over();
        EXPECT_EQ(taken.has_value(), root_invalidates);
        EXPECT_EQ(bench.passes(nic, 0x5000), root_invalidates);
        if (!root_invalidates) {
            EXPECT_EQ(taken.error().code, ENOTSUP);
            EXPECT_TRUE(bench.unit.writes.empty());
        }
        bench.end();
    }
}

TEST_P(Scalable, HardStopRefusesAndIsLeftAgain) {
    for (const bool root_invalidates : {false, true}) {
        for (const bool aborts : {false, true}) {
            parameters.root_invalidates = root_invalidates;
            parameters.abort_mode = aborts;
            Bench bench(parameters);
            ASSERT_TRUE(bench.take_over());
            EXPECT_TRUE(bench.passes(nic, 0x5000));
            bench.iommu().hard_stop();
            EXPECT_FALSE(bench.passes(nic, 0x5000));
            EXPECT_TRUE(bench.iommu().report().stop_confirmed);
            // Only where the mode can be left again.
            EXPECT_EQ((bench.unit.latched_root >> 10 & 3) == 3, root_invalidates && aborts);
            auto again = bench.take_over();
            ASSERT_TRUE(again) << again.error().text;
            EXPECT_TRUE(bench.passes(nic, 0x5000));
            EXPECT_TRUE(bench.iommu().recheck());
            bench.end();
        }
    }
}

TEST_P(Scalable, QueueErrorsAreMended) {
    Bench bench(parameters);
    ASSERT_TRUE(bench.take_over());
    // Round the ring, which has 128 slots.
    for (int round = 0; round < 100; ++round) {
        EXPECT_TRUE(bench.passes(nic, 0x5000));
        bench.unit.broken_descriptors = round % 3;
        ASSERT_TRUE(unmap(*bench.first, 0x5000, page));
        EXPECT_FALSE(bench.passes(nic, 0x5000));
        ASSERT_TRUE(map(*bench.first, 0x5000, 0x7000'5000, page));
    }
    EXPECT_TRUE(bench.iommu().recheck());
    bench.end();
}

TEST_P(Scalable, SnoopingIsForcedWhereTheUnitCan) {
    for (const bool control : {false, true}) {
        for (const bool walks_snoop : {false, true}) {
            parameters.snoop_control = control;
            parameters.walks_snoop = walks_snoop;
            Bench bench(parameters);
            EXPECT_EQ(bench.iommu().capabilities().coherent, walks_snoop);
            ASSERT_TRUE(bench.take_over());
            EXPECT_TRUE(bench.passes(nic, 0x5000));
            const auto pointer = [&](std::uint64_t at) { return bench.unit.word(at) & ~0xfffull; };
            const std::uint64_t table =
                pointer(pointer(pointer(bench.unit.latched_root & ~0xfffull) + 32 * nic));
            EXPECT_EQ(bench.unit.word(table + 8) >> 24 & 1, control ? 1u : 0u);
            EXPECT_EQ(bench.unit.word(table + 8) >> 23 & 1, walks_snoop ? 1u : 0u);
            bench.end();
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Stages, Scalable, testing::Bool(), [](const auto& tested) {
    return std::string(tested.param ? "First" : "Second");
});

TEST(Legacy, LeavesForceSnoopingWhereTheUnitCan) {
    for (const bool control : {false, true}) {
        Bench bench({.snoop_control = control});
        ASSERT_TRUE(bench.take_over());
        EXPECT_TRUE(bench.passes(nic, 0x5000));
        std::uint64_t at = bench.unit.word(bench.unit.latched_root) & ~0xfffull;
        at = bench.unit.word(at + 16 * nic) & ~0xfffull;
        for (int level = 0; level < 3; ++level) at = bench.unit.word(at) & ~0xfffull;
        EXPECT_EQ(bench.unit.word(at + 5 * 8) >> 11 & 1, control ? 1u : 0u);
        bench.end();
    }
}

TEST(FirstStage, FiveLevelsWhereAddressesNeedThem) {
    for (const unsigned width : {39u, 48u, 57u}) {
        silicon::Parameters parameters = scalable(true);
        parameters.five_levels = true;
        parameters.guest_width = width;
        Bench bench(parameters);
        const unsigned bits = width == 57 ? 56 : width == 48 ? 47 : 39;
        EXPECT_EQ(bench.iommu().capabilities().input_bits, bits);
        ASSERT_TRUE(bench.take_over());
        const std::uint64_t last = (1ull << bits) - page;
        ASSERT_TRUE(map(*bench.first, last, 0x7000'6000, page));
        EXPECT_TRUE(bench.passes(nic, last));
        EXPECT_EQ(map(*bench.first, last + page, 0x7000'6000, page).error().code, ERANGE);
        EXPECT_FALSE(bench.passes(nic, last + page));
        EXPECT_FALSE(bench.passes(nic, last | ~0ull << bits));
        bench.end();
    }
}

TEST(FirstStage, WritingAloneCannotBeSaid) {
    Bench bench(scalable(true));
    EXPECT_EQ(map(*bench.first, 0x9000, 0x7000'9000, page, Access::write).error().code, EINVAL);
    bench.end();
}

TEST(FirstStage, WithoutAQueueThereIsNoScalableMode) {
    silicon::Parameters parameters = scalable(true);
    parameters.queued = false;
    Bench bench(parameters);
    EXPECT_TRUE(bench.iommu().report().mode.starts_with("legacy"));
    bench.end();
}

}  // namespace
}  // namespace bench

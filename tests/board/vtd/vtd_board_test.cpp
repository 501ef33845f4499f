// SPDX-License-Identifier: Apache-2.0
// The VT-d driver against the real emulated hardware, with devices that really move bytes: every test
// on every board.
#include "vtd_board.hpp"

namespace smmu::test::vtd {
namespace {

void expect_taken(const Result<units::TakeOver>& taken, Found found) {
    ASSERT_TRUE(taken) << taken.error().text;
    EXPECT_EQ(taken->found, found);
    EXPECT_EQ(taken->pause > Nanoseconds{}, found == Found::foreign);
    std::printf("take-over: %.0f us, pause %.0f us\n", double(taken->took.count()) / 1e3,
                double(taken->pause.count()) / 1e3);
}

TEST_P(Vtd, FoundOffBecomesContaining) {
    ASSERT_NO_FATAL_FAILURE(start());
    load(a(), {source.value}, source, 0x1111);
    load(b(), {source.value}, source, 0x2222);
    load(behind_port(), {source.value}, source, 0x3333);
    EXPECT_TRUE(writes(b(), {target.value}, target));  // open before
    ASSERT_NO_FATAL_FAILURE(service());
    EXPECT_EQ(unit().capabilities().input_bits, GetParam().input_bits);
    EXPECT_EQ(unit().capabilities().write_implies_read, GetParam().stage == 1);
    EXPECT_TRUE(unit().report().mode.starts_with(GetParam().mode)) << unit().report().mode;
    EXPECT_EQ(unit().capabilities().leaf_sizes, 1ull << 12 | 1ull << 21 | 1ull << 30);
    EXPECT_EQ(unit().report().found, Found::off);
    units::AddressSpace& space = instance_->space();
    const Iova iova{0x2'3456'7000};
    ASSERT_TRUE(map(space, iova, target));
    const Assignment assignments[] = {{a().stream(), &space}, {b().stream(), nullptr}};
    expect_taken(unit().take_over(assignments), Found::off);

    EXPECT_TRUE(writes(a(), iova, target));
    EXPECT_FALSE(writes(a(), {target.value}, target));
    EXPECT_FALSE(writes(b(), iova, target));
    auto seen = refusals();
    ASSERT_EQ(seen.all.size(),
              1u);  // one record register: the second refusal of this round was lost
    EXPECT_EQ(seen.all[0].stream, a().stream());
    EXPECT_EQ(seen.all[0].address, Iova{target.value});
    EXPECT_EQ(seen.all[0].access, Access::write);
    EXPECT_EQ(seen.all[0].reason, Refusal::Reason::not_mapped);
    EXPECT_EQ(seen.all[0].stage, GetParam().stage);

    EXPECT_FALSE(writes(b(), {target.value}, target));
    seen = refusals();
    ASSERT_EQ(seen.all.size(), 1u);
    EXPECT_EQ(seen.all[0].stream, b().stream());
    EXPECT_EQ(seen.all[0].reason, Refusal::Reason::not_mapped);
    EXPECT_FALSE(writes(behind_port(), {target.value}, target));
    seen = refusals();
    ASSERT_EQ(seen.all.size(), 1u);
    EXPECT_EQ(seen.all[0].stream, behind_port().stream());
    EXPECT_EQ(seen.all[0].reason, Refusal::Reason::unknown_stream);
    EXPECT_STREQ(seen.all[0].hardware_text, "root entry not present");
    EXPECT_TRUE(unit().recheck());
}

TEST_P(Vtd, ReadsAndPermissionsBothWays) {
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(service());
    units::AddressSpace& space = instance_->space();
    const Iova readable{0x5000}, writable{0x6000}, missing{0x7000};
    ASSERT_TRUE(map(space, readable, source, Access::read));
    ASSERT_TRUE(map(space, writable, target));
    const Assignment assignments[] = {{a().stream(), &space}};
    expect_taken(unit().take_over(assignments), Found::off);
    load(a(), readable, source, 0xabcdef);
    EXPECT_TRUE(writes(a(), writable, target));
    EXPECT_EQ(ram_->load<std::uint64_t>(target), 0xabcdefu);
    // Permission and absence are the same words of the hardware.
    ASSERT_TRUE(unmap(space, readable));
    ASSERT_TRUE(map(space, readable, source, Access::read));
    EXPECT_FALSE(writes(a(), readable, source));
    auto seen = refusals();
    ASSERT_EQ(seen.all.size(), 1u);
    EXPECT_EQ(seen.all[0].reason, Refusal::Reason::permission);
    EXPECT_EQ(seen.all[0].access, Access::write);
    EXPECT_TRUE(a().dma_in(missing, 8));
    seen = refusals();
    ASSERT_EQ(seen.all.size(), 1u);
    EXPECT_EQ(seen.all[0].access, Access::read);
    EXPECT_EQ(seen.all[0].address, missing);
    EXPECT_EQ(seen.all[0].reason, Refusal::Reason::not_mapped);
    EXPECT_TRUE(writes(a(), writable, target) == false);  // what it read was refused: zeros
}

TEST_P(Vtd, UnmapIsEffectiveWhenItReturns) {
    ASSERT_NO_FATAL_FAILURE(start());
    load(a(), {source.value}, source, 0x77);
    ASSERT_NO_FATAL_FAILURE(service());
    units::AddressSpace& space = instance_->space();
    const Iova small{0x5000}, large{0x4000'0000};
    ASSERT_TRUE(map(space, small, target));
    ASSERT_TRUE(map(space, large, {0x400'0000}, read_write, 2u << 20));
    const Assignment assignments[] = {{a().stream(), &space}};
    expect_taken(unit().take_over(assignments), Found::off);
    for (int round = 0; round < 20; ++round) {
        EXPECT_TRUE(writes(a(), small, target));
        ASSERT_TRUE(unmap(space, small));
        EXPECT_FALSE(writes(a(), small, target)) << round;
        ASSERT_TRUE(map(space, small, target));
    }
    const PhysAddr inside{0x412'3000};
    EXPECT_TRUE(writes(a(), large + 0x12'3000, inside));
    // A page cut out of a large leaf: the rest stays.
    ASSERT_TRUE(unmap(space, large + 0x12'3000));
    EXPECT_FALSE(writes(a(), large + 0x12'3000, inside));
    EXPECT_TRUE(writes(a(), large + 0x12'4000, inside + page));
    EXPECT_TRUE(writes(a(), large + 0x12'2000, inside - page));
}

TEST_P(Vtd, ForeignTablesAndPassThroughAreReplaced) {
    for (const bool pass_through : {false, true}) {
        SCOPED_TRACE(pass_through);
        ASSERT_NO_FATAL_FAILURE(start());
        ASSERT_NO_FATAL_FAILURE(set_up_foreign(pass_through));
        load(a(), {source.value}, source, 0x44);
        load(b(), {source.value}, source, 0x55);
        EXPECT_TRUE(writes(b(), {target.value}, target));
        ASSERT_NO_FATAL_FAILURE(service());
        EXPECT_EQ(unit().report().found, Found::foreign);
        units::AddressSpace& space = instance_->space();
        ASSERT_TRUE(map(space, {0x5000}, target));
        const Assignment assignments[] = {{a().stream(), &space}, {b().stream(), nullptr}};
        auto taken = unit().take_over(assignments);
        if (GetParam().stage == 1) {
            // These units cannot change the mode under translation, and legacy mode has no first stage.
            ASSERT_FALSE(taken);
            EXPECT_EQ(taken.error().code, ENOTSUP);
            EXPECT_EQ(unit().state(), units::UnitState::untouched);
            EXPECT_TRUE(writes(b(), {target.value}, target));
        } else {
            expect_taken(taken, Found::foreign);
            EXPECT_TRUE(unit().report().mode.starts_with("legacy, second stage"));
            EXPECT_TRUE(writes(a(), {0x5000}, target));
            EXPECT_FALSE(writes(a(), {target.value}, target));
            EXPECT_FALSE(writes(b(), {target.value}, target));
            EXPECT_TRUE(unit().recheck());
        }
        TearDown();
        edus_.clear();
        ram_.reset();
        platform_.reset();
        client_.reset();
        board_.reset();
    }
}

class ScalableVtd : public Vtd {};

TEST_P(ScalableVtd, ForeignTablesAreReplaced) {
    ASSERT_NO_FATAL_FAILURE(start());
    ASSERT_NO_FATAL_FAILURE(set_up_foreign_scalable());
    load(a(), {source.value}, source, 0x44);
    load(b(), {source.value}, source, 0x55);
    EXPECT_TRUE(writes(b(), {target.value}, target));
    ASSERT_NO_FATAL_FAILURE(service());
    units::AddressSpace& space = instance_->space();
    ASSERT_TRUE(map(space, {0x5000}, target));
    const Assignment assignments[] = {{a().stream(), &space}, {b().stream(), nullptr}};
    expect_taken(unit().take_over(assignments), Found::foreign);
    EXPECT_TRUE(unit().report().mode.starts_with(GetParam().mode)) << unit().report().mode;
    EXPECT_TRUE(writes(a(), {0x5000}, target));
    EXPECT_FALSE(writes(a(), {target.value}, target));
    EXPECT_FALSE(writes(b(), {target.value}, target));
    EXPECT_TRUE(unit().recheck());
}

TEST_P(Vtd, KilledAndAdoptedInPlace) {
    ASSERT_NO_FATAL_FAILURE(start());
    load(a(), {source.value}, source, 0x66);
    load(b(), {source.value}, source, 0x67);
    ASSERT_NO_FATAL_FAILURE(service());
    {
        units::AddressSpace& first = instance_->space();
        units::AddressSpace& second = instance_->space();
        ASSERT_TRUE(map(first, {0x5000}, target));
        ASSERT_TRUE(map(second, {0x8000}, target));
        const Assignment assignments[] = {{a().stream(), &first}, {b().stream(), &second}};
        expect_taken(unit().take_over(assignments), Found::off);
    }
    EXPECT_TRUE(writes(a(), {0x5000}, target));
    const std::uint64_t root = reg(0x20, 8), queue = reg(0x90, 8);
    Instance::kill(std::move(instance_));
    EXPECT_TRUE(writes(a(), {0x5000}, target));  // hardware goes on
    EXPECT_TRUE(writes(b(), {0x8000}, target));

    ASSERT_NO_FATAL_FAILURE(service());
    EXPECT_EQ(instance_->arena->generation(), 2u);
    EXPECT_EQ(unit().report().found, Found::own);
    units::AddressSpace& space = instance_->space();
    ASSERT_TRUE(map(space, {0x5000}, target));
    const Assignment assignments[] = {{a().stream(), &space}};
    expect_taken(unit().take_over(assignments), Found::own);
    EXPECT_EQ(reg(0x20, 8), root);
    EXPECT_EQ(reg(0x90, 8), queue);
    memory::Gather everything;
    everything.cover_everything();
    auto proof = unit().caches()->flush(std::move(everything), *instance_->arena);
    ASSERT_TRUE(proof);
    instance_->arena->retire_earlier_generations(std::move(*proof));
    EXPECT_EQ(instance_->arena->count().earlier, 0u);
    EXPECT_TRUE(writes(a(), {0x5000}, target));
    EXPECT_FALSE(writes(b(), {0x8000}, target));
    const auto seen = refusals();
    ASSERT_EQ(seen.all.size(), 1u);
    EXPECT_EQ(seen.all[0].reason, Refusal::Reason::unknown_stream);
    ASSERT_TRUE(unmap(space, {0x5000}));
    EXPECT_FALSE(writes(a(), {0x5000}, target));
}

TEST_P(Vtd, StreamsMoveMuteAndLeave) {
    ASSERT_NO_FATAL_FAILURE(start());
    load(a(), {source.value}, source, 0x88);
    load(behind_port(), {source.value}, source, 0x89);
    ASSERT_NO_FATAL_FAILURE(service());
    units::AddressSpace& one = instance_->space();
    units::AddressSpace& two = instance_->space();
    ASSERT_TRUE(map(one, {0x5000}, target));
    ASSERT_TRUE(map(two, {0x5000}, target + page));
    const Assignment assignments[] = {{a().stream(), &one}};
    expect_taken(unit().take_over(assignments), Found::off);
    EXPECT_TRUE(writes(a(), {0x5000}, target));
    ASSERT_TRUE(unit().attach(a().stream(), two));
    EXPECT_FALSE(writes(a(), {0x5000}, target));
    EXPECT_TRUE(writes(a(), {0x5000}, target + page));
    ASSERT_TRUE(unit().attach(behind_port().stream(), one));
    EXPECT_TRUE(writes(behind_port(), {0x5000}, target));
    // Muted: what is granted goes on, what is refused leaves no record.
    ASSERT_TRUE(unit().record(a().stream(), Recording::muted));
    EXPECT_TRUE(writes(a(), {0x5000}, target + page));
    EXPECT_FALSE(writes(a(), {0x9000}, target));
    ASSERT_TRUE(unit().block(behind_port().stream(), Recording::muted));
    EXPECT_FALSE(writes(behind_port(), {0x5000}, target));
    EXPECT_EQ(refusals().all.size(), 0u);
    ASSERT_TRUE(unit().record(a().stream(), Recording::on));
    EXPECT_FALSE(writes(a(), {0x9000}, target));
    EXPECT_EQ(refusals().all.size(), 1u);
    ASSERT_TRUE(unit().attach(behind_port().stream(), one));
    const Assignment kept[] = {{behind_port().stream(), &one}};
    ASSERT_TRUE(unit().leave(kept));
    EXPECT_FALSE(writes(a(), {0x5000}, target + page));
    EXPECT_TRUE(writes(behind_port(), {0x5000}, target));
    EXPECT_NE(reg(0x1c, 4) & 0x8000'0000, 0u);
}

TEST_P(Vtd, WhatIsMappedIsSeenAtOnce) {
    ASSERT_NO_FATAL_FAILURE(start());
    load(a(), {source.value}, source, 0x99);
    ASSERT_NO_FATAL_FAILURE(service());
    units::AddressSpace& space = instance_->space();
    const Assignment assignments[] = {{a().stream(), &space}};
    expect_taken(unit().take_over(assignments), Found::off);
    for (int round = 0; round < 10; ++round) {
        EXPECT_FALSE(writes(a(), {0x5000}, target));
        ASSERT_TRUE(map(space, {0x5000}, target));
        EXPECT_TRUE(writes(a(), {0x5000}, target)) << round;
        ASSERT_TRUE(unmap(space, {0x5000}));
    }
    ASSERT_TRUE(unit().attach(behind_port().stream(), space));
    ASSERT_TRUE(map(space, {0x6000}, target));
    EXPECT_TRUE(writes(a(), {0x6000}, target));
}

TEST_P(Vtd, TheHighestAddress) {
    ASSERT_NO_FATAL_FAILURE(start());
    load(a(), {source.value}, source, 0xaa);
    ASSERT_NO_FATAL_FAILURE(service());
    units::AddressSpace& space = instance_->space();
    const Iova highest{(std::uint64_t{1} << GetParam().input_bits) - page};
    ASSERT_TRUE(map(space, highest, target));
    const units::Change beyond[] = {
        paging::Map{{highest + page, highest + (2 * page - 1)}, target, read_write}};
    auto refused = space.prepare(beyond);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ERANGE);
    const Assignment assignments[] = {{a().stream(), &space}};
    expect_taken(unit().take_over(assignments), Found::off);
    EXPECT_TRUE(writes(a(), highest, target));
    EXPECT_FALSE(writes(a(), highest + page, target));
    EXPECT_EQ(refusals().all.size(), 1u);
}

TEST_P(Vtd, HardStopRefusesEverythingUntilTakenOverAgain) {
    ASSERT_NO_FATAL_FAILURE(start());
    load(a(), {source.value}, source, 0xbb);
    load(b(), {source.value}, source, 0xbc);
    ASSERT_NO_FATAL_FAILURE(service());
    units::AddressSpace& space = instance_->space();
    ASSERT_TRUE(map(space, {0x5000}, target));
    const Assignment assignments[] = {{a().stream(), &space}};
    expect_taken(unit().take_over(assignments), Found::off);
    EXPECT_TRUE(writes(a(), {0x5000}, target));
    unit().hard_stop();
    EXPECT_EQ(unit().state(), units::UnitState::failed);
    EXPECT_FALSE(writes(a(), {0x5000}, target));
    EXPECT_FALSE(writes(a(), {target.value}, target));
    EXPECT_FALSE(writes(b(), {target.value}, target));
    EXPECT_NE(reg(0x1c, 4) & 0x8000'0000, 0u);
    expect_taken(unit().take_over(assignments), Found::foreign);
    EXPECT_TRUE(writes(a(), {0x5000}, target));
    EXPECT_FALSE(writes(b(), {target.value}, target));
}

TEST_P(Vtd, HardStopOfAUnitFoundOff) {
    ASSERT_NO_FATAL_FAILURE(start());
    load(a(), {source.value}, source, 0xcc);
    ASSERT_NO_FATAL_FAILURE(service());
    unit().hard_stop();
    EXPECT_FALSE(writes(a(), {target.value}, target));
    EXPECT_NE(unit().report().mode.find("everything refuses"), std::string::npos);
}

TEST_P(Vtd, TranslationTurnedOffBehindOurBackIsNoticed) {
    ASSERT_NO_FATAL_FAILURE(start());
    load(a(), {source.value}, source, 0xdd);
    ASSERT_NO_FATAL_FAILURE(service());
    units::AddressSpace& space = instance_->space();
    ASSERT_TRUE(map(space, {0x5000}, target));
    const Assignment assignments[] = {{a().stream(), &space}};
    expect_taken(unit().take_over(assignments), Found::off);
    set_reg(0x18, 4, reg(0x1c, 4) & 0x16ff'ffff);
    EXPECT_TRUE(writes(a(), {target.value}, target));
    auto checked = unit().recheck();
    ASSERT_FALSE(checked);
    EXPECT_NE(checked.error().text.find("GSTS.TES"), std::string::npos) << checked.error().text;
    unit().hard_stop();
    EXPECT_FALSE(writes(a(), {target.value}, target));
    expect_taken(unit().take_over(assignments), Found::foreign);
    EXPECT_FALSE(writes(a(), {target.value}, target));
    EXPECT_TRUE(writes(a(), {0x5000}, target));
    EXPECT_TRUE(unit().recheck());
}

std::string name_of(const testing::TestParamInfo<Kind>& tested) {
    std::string name = tested.param.board;
    std::ranges::replace(name, '-', '_');
    return name;
}

constexpr Kind scalable[] = {{"q35-vtd-scalable", "scalable, second stage", 48, 2},
                             {"q35-vtd-scalable-cm", "scalable, second stage", 48, 2},
                             {"q35-vtd-first-stage", "scalable, first stage", 47, 1},
                             {"q35-vtd-first-stage-cm", "scalable, first stage", 47, 1}};

INSTANTIATE_TEST_SUITE_P(LegacyBoards, Vtd,
                         testing::Values(Kind{"q35-vtd", "legacy, second stage", 48, 2},
                                         Kind{"q35-vtd-cm", "legacy, second stage", 48, 2},
                                         Kind{"q35-vtd-39", "legacy, second stage", 39, 2}),
                         name_of);
INSTANTIATE_TEST_SUITE_P(ScalableBoards, Vtd, testing::ValuesIn(scalable), name_of);
INSTANTIATE_TEST_SUITE_P(ScalableBoards, ScalableVtd, testing::ValuesIn(scalable), name_of);

}  // namespace
}  // namespace smmu::test::vtd

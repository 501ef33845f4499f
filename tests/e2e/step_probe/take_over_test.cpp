// SPDX-License-Identifier: Apache-2.0
// Take-over, restart and exit of the service, with DMA fired after every register write.
#include <gtest/gtest.h>

#include "tests/e2e/judges/foreign.hpp"

namespace smmu::test {
namespace {

class TakeOver : public testing::TestWithParam<const char*> {
protected:
    // Units with first-stage tables only cannot leave legacy mode while they translate (no ESRTPS):
    // the service must say that it does not contain, and leave them as found.
    void take_over_foreign() {
        bench.expect_startup(Expect::either);
        bench.begin();
        if (!has_first_stage_only(GetParam())) {
            EXPECT_TRUE(bench.start());
        } else {
            EXPECT_FALSE(bench.service().start());
            const auto status = bench.service().wait_for_end(ServiceProcess::patience);
            ASSERT_TRUE(status);
            EXPECT_EQ(*status, 4) << bench.service().said();
        }
        EXPECT_EQ(bench.verdict(), "");
    }
    Bench bench{GetParam()};
};

TEST_P(TakeOver, FromOff) {
    bench.begin();
    EXPECT_TRUE(bench.start());
    EXPECT_GT(bench.stops(), 5u);
    EXPECT_EQ(bench.verdict(), "");
}

// While foreign structures are replaced, what is granted may be refused: the reported pause.
TEST_P(TakeOver, FromPassThrough) {
    set_up_foreign(bench, 2, ForeignQueue::off);
    take_over_foreign();
}

TEST_P(TakeOver, FromForeignTables) {
    set_up_foreign(bench, 0, ForeignQueue::off);
    take_over_foreign();
}

TEST_P(TakeOver, FromForeignTablesAndQueue) {
    set_up_foreign(bench, 0, ForeignQueue::used);
    take_over_foreign();
}

// Some units cannot switch such a queue off: then the service must not say that it contains.
TEST_P(TakeOver, FromForeignQueueNeverUsed) {
    set_up_foreign(bench, 0, ForeignQueue::never_used);
    bench.expect_startup(Expect::either);
    bench.begin();
    if (bench.service().start()) {
        bench.settle("start");
    } else {
        const auto status = bench.service().wait_for_end(ServiceProcess::patience);
        ASSERT_TRUE(status);
        EXPECT_EQ(*status, 4) << bench.service().said();
    }
    EXPECT_EQ(bench.verdict(), "");
}

TEST_P(TakeOver, OwnStructuresAfterKill) {
    bench.begin();
    ASSERT_TRUE(bench.start()) << bench.verdict();
    bench.service().kill_now();
    bench.fire("without a service");
    EXPECT_TRUE(bench.start("start after kill"));
    EXPECT_EQ(bench.verdict(), "");
}

// What a client was granted is trimmed away by the next instance.
TEST_P(TakeOver, OwnStructuresWithAClientsGrants) {
    bench.begin();
    ASSERT_TRUE(bench.start()) << bench.verdict();
    ASSERT_TRUE(bench.connect_client());
    smmu_object* const object = smmu_obj_create(SOCF_NONE);
    EXPECT_EQ(bench.map(object, place::granted, 0x200000, SMF_READ | SMF_WRITE), 0);
    EXPECT_EQ(bench.attach(object, 4), 0);
    const std::size_t granted = bench.watch(q35::edu_b, place::granted, Expect::passes);
    bench.fire("attached");
    bench.service().kill_now();
    bench.fire("without a service");
    bench.expect(granted, Expect::closing);
    EXPECT_TRUE(bench.start("start after kill"));
    bench.expect(granted, Expect::refused);
    bench.fire("trimmed");
    EXPECT_EQ(bench.verdict(), "");
}

INSTANTIATE_TEST_SUITE_P(Boards, TakeOver, vtd_boards(), name_of_board);

// An SMMU that translates for somebody else is closed as a whole before it gets its tables: what is granted is refused
// meanwhile.
class SmmuTakeOver : public testing::TestWithParam<const char*> {
protected:
    Bench bench{GetParam()};
};

TEST_P(SmmuTakeOver, FromOff) {
    bench.begin();
    EXPECT_TRUE(bench.start());
    EXPECT_GT(bench.stops(), 5u);
    EXPECT_EQ(bench.verdict(), "");
}

// Somebody else's table: every entry lets everything pass.
TEST_P(SmmuTakeOver, FromForeignTable) {
    const PhysAddr table = bench.tap().machine().ram.front().base + place::foreign_tables;
    for (std::uint64_t stream = 0; stream < 256; ++stream) bench.ram().store<std::uint64_t>(table + stream * 64, 0x9);
    bench.write64(0x80, table.value);
    bench.write32(0x88, 8);
    bench.write32(0x20, 1);
    bench.set_from_off(false);
    bench.expect_startup(Expect::either);
    bench.begin();
    EXPECT_TRUE(bench.start());
    EXPECT_EQ(bench.verdict(), "");
}

TEST_P(SmmuTakeOver, OwnTableAfterKill) {
    bench.begin();
    ASSERT_TRUE(bench.start()) << bench.verdict();
    bench.service().kill_now();
    bench.fire("without a service");
    EXPECT_TRUE(bench.start("start after kill"));
    EXPECT_EQ(bench.verdict(), "");
}

TEST_P(SmmuTakeOver, OwnTableWithAClientsGrants) {
    bench.begin();
    ASSERT_TRUE(bench.start()) << bench.verdict();
    ASSERT_TRUE(bench.connect_client());
    smmu_object* const object = smmu_obj_create(SOCF_NONE);
    EXPECT_EQ(bench.map(object, place::granted, 0x200000, SMF_READ | SMF_WRITE), 0);
    EXPECT_EQ(bench.attach(object, 4), 0);
    const std::size_t granted = bench.watch(q35::edu_b, place::granted, Expect::passes);
    bench.fire("attached");
    bench.service().kill_now();
    bench.fire("without a service");
    bench.expect(granted, Expect::closing);
    EXPECT_TRUE(bench.start("start after kill"));
    bench.expect(granted, Expect::refused);
    bench.fire("trimmed");
    EXPECT_EQ(bench.verdict(), "");
}

INSTANTIATE_TEST_SUITE_P(Boards, SmmuTakeOver, smmu_boards(), name_of_board);

// The judges see an SMMU that is open, too.
TEST_P(SmmuTakeOver, TheJudgesSeeItOpened) {
    bench.begin();
    ASSERT_TRUE(bench.start()) << bench.verdict();
    bench.between_stops([&] {
        bench.open_unit();
        bench.probe().fire("opened");
    });
    EXPECT_NE(bench.verdict().find("opened: 00:04 read 0x42000000 passed"), std::string::npos);
}

class Exit : public testing::TestWithParam<bool> {};

TEST_P(Exit, LeavesWhatIsConfigured) {
    const bool blocks = GetParam();
    Bench bench("q35-vtd", {"exit", blocks ? "block" : "startup"});
    bench.begin();
    ASSERT_TRUE(bench.start()) << bench.verdict();
    ASSERT_TRUE(bench.connect_client());
    smmu_object* const object = smmu_obj_create(SOCF_NONE);
    EXPECT_EQ(bench.map(object, place::granted, 0x1000, SMF_READ | SMF_WRITE), 0);
    EXPECT_EQ(bench.attach(object, 4), 0);
    const std::size_t granted = bench.watch(q35::edu_b, place::granted, Expect::closing);
    const Expect startup_meanwhile = blocks ? Expect::closing : Expect::passes;
    bench.expect(bench.startup_first, startup_meanwhile);
    bench.expect(bench.startup_last, startup_meanwhile);
    bench.set_phase("exit");
    EXPECT_EQ(bench.service().terminate(), 0);
    bench.expect(granted, Expect::refused);
    if (blocks) {
        bench.expect(bench.startup_first, Expect::refused);
        bench.expect(bench.startup_last, Expect::refused);
    }
    bench.fire("after exit");
    bench.between_stops([&] { bench.referee().at_answer("exit"); });
    EXPECT_EQ(bench.verdict(), "");
}

INSTANTIATE_TEST_SUITE_P(Words, Exit, testing::Bool(), [](const auto& tested) {
    return std::string(tested.param ? "block" : "startup");
});

// The judges see an open unit: the test opens it behind the service's back.
TEST(Judges, SeeTranslationSwitchedOff) {
    Bench bench;
    bench.begin();
    ASSERT_TRUE(bench.start()) << bench.verdict();
    bench.between_stops([&] {
        bench.write32(0x18, bench.read32(0x1c) & 0x16ffffffu);
        bench.probe().fire("opened");
    });
    const std::string verdict = bench.verdict();
    EXPECT_NE(verdict.find("opened: 00:04 read 0x2000000 passed"), std::string::npos) << verdict;
    EXPECT_NE(verdict.find("opened: 00:03 write 0x4000000 passed"), std::string::npos) << verdict;
}

TEST(Judges, SeeARefusedGrant) {
    Bench bench;
    bench.begin();
    ASSERT_TRUE(bench.start()) << bench.verdict();
    bench.between_stops([&] {
        bench.ram().fill({place::foreign_tables}, 0x1000, 0);
        bench.write64(0x20, place::foreign_tables);
        bench.write32(0x18, (bench.read32(0x1c) & 0x96ffffffu) | vtd::Referee::set_root);
        bench.probe().fire("closed");
    });
    const std::string verdict = bench.verdict();
    EXPECT_NE(verdict.find("closed: 00:03 write 0x2000000 was refused"), std::string::npos)
        << verdict;
    EXPECT_NE(verdict.find("closed: 00:03 read 0x2000000 was refused"), std::string::npos)
        << verdict;
}

}  // namespace
}  // namespace smmu::test

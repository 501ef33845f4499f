// SPDX-License-Identifier: Apache-2.0
// The service dies right after its k-th register write, for every k; the next one on the same board
// contains. The same for its k-th store into live tables. In the short run not every k of a long
// sequence is tried; LONG=1 tries all.
#include <gtest/gtest.h>

#include "tests/e2e/judges/bench.hpp"

namespace smmu::test {
namespace {

constexpr unsigned both_ways = SMF_READ | SMF_WRITE;

std::size_t stride(std::size_t count, std::size_t most = 25) {
    return std::getenv("LONG") != nullptr || count <= most ? 1 : (count + most - 1) / most;
}

// What a client does; results do not matter once the service is gone.
void client_sequence(Bench& bench) {
    constexpr std::uint64_t large = 0x200000;
    smmu_object* const object = smmu_obj_create(SOCF_NONE);
    bench.map(object, place::granted, large, both_ways);
    bench.attach(object, 4);
    bench.map(object, place::granted + large, 0x3000, both_ways);
    bench.map(object, place::granted + 0x5000, 0x1000, SMF_NONE);
    bench.map(object, place::granted + large, 0x3000, SMF_NONE);
    bench.attach(nullptr, 4);
}

std::size_t writes_of_a_start(const char* board) {
    Bench bench(board);
    bench.begin();
    EXPECT_TRUE(bench.start());
    return bench.stops();
}

TEST(DeathAtAWrite, OfAStart) {
    for (const char* const board : {"q35-vtd", "q35-vtd-cm", "q35-vtd-scalable", "q35-vtd-first-stage-cm", "virt-smmuv3", "virt-smmuv3-s1"}) {
        const std::size_t count = writes_of_a_start(board);
        printf("%s: %zu writes\n", board, count);
        ASSERT_GT(count, 5u);
        for (std::size_t k = 1; k <= count; k += stride(count)) {
            SCOPED_TRACE(fmt::format("{}, write {} of {}", board, k, count));
            Bench bench(board);
            bench.begin();
            bench.die_at(k);
            bench.service().launch();
            ASSERT_TRUE(bench.service().wait_for_end(ServiceProcess::patience));
            EXPECT_TRUE(bench.has_died()) << bench.service().said();
            bench.fire("after the death");
            bench.start("start after the death");
            EXPECT_EQ(bench.verdict(), "");
        }
    }
}

// Dies while it takes over what its killed predecessor left.
void die_in_restarts_of(const char* board) {
    std::size_t count = 1;
    for (std::size_t k = 1; k <= count; k += stride(count)) {
        SCOPED_TRACE(fmt::format("{}, write {} of {}", board, k, count));
        Bench bench(board);
        bench.begin();
        ASSERT_TRUE(bench.start()) << bench.verdict();
        bench.service().kill_now();
        const std::size_t before = bench.stops();
        if (k > 1) bench.die_at(k);
        if (k == 1) {
            bench.start("restart");
            count = bench.stops() - before;
            printf("%s: %zu writes\n", board, count);
        } else {
            bench.service().launch();
            ASSERT_TRUE(bench.service().wait_for_end(ServiceProcess::patience));
        }
        bench.service().kill_now();
        bench.fire("after the death");
        bench.start("start after the death");
        EXPECT_EQ(bench.verdict(), "");
    }
}

TEST(DeathAtAWrite, OfARestart) {
    for (const char* const board : {"q35-vtd", "virt-smmuv3", "virt-smmuv3-s1"}) die_in_restarts_of(board);
}

void die_in_calls_on(const char* board) {
    std::size_t count = 0;
    {
        Bench bench(board);
        bench.begin();
        ASSERT_TRUE(bench.start()) << bench.verdict();
        ASSERT_TRUE(bench.connect_client());
        const std::size_t before = bench.stops();
        client_sequence(bench);
        count = bench.stops() - before;
        EXPECT_EQ(bench.verdict(), "");
    }
    printf("%s: %zu writes\n", board, count);
    ASSERT_GE(count, 4u);
    for (std::size_t k = 1; k <= count; k += stride(count)) {
        SCOPED_TRACE(fmt::format("{}, write {} of {}", board, k, count));
        Bench bench(board);
        bench.begin();
        ASSERT_TRUE(bench.start()) << bench.verdict();
        ASSERT_TRUE(bench.connect_client());
        const std::size_t granted = bench.watch(q35::edu_b, place::granted, Expect::either);
        const std::size_t removed =
            bench.watch(q35::edu_b, place::granted + 0x5000, Expect::either);
        bench.die_at(k);
        bench.set_judging_answers(false);
        client_sequence(bench);
        bench.set_judging_answers(true);
        bench.die_at(0);
        bench.service().kill_now();
        smmu_fini();
        bench.fire("after the death");
        bench.expect(granted, Expect::closing);
        bench.expect(removed, Expect::closing);
        bench.start("start after the death");
        bench.expect(granted, Expect::refused);
        bench.expect(removed, Expect::refused);
        bench.fire("restarted");
        EXPECT_EQ(bench.verdict(), "");
    }
}

TEST(DeathAtAWrite, OfAClientsCalls) {
    for (const char* const board : {"q35-vtd", "virt-smmuv3", "virt-smmuv3-s1"}) die_in_calls_on(board);
}

// Of stores into live tables no tap tells: the service runs under kill_at then. A restart finds them live from the beginning.
constexpr std::size_t never = 0;

void launch_to_die(Bench& bench, std::size_t store) {
    bench.service().run_under_kill_at(store);
    bench.service().launch();
    ASSERT_TRUE(bench.service().wait_for_end(ServiceProcess::patience));
    EXPECT_NE(bench.service().said().find("died after write"), std::string::npos) << bench.service().said();
    bench.service().run_under_kill_at(std::nullopt);
}

// By an instance that starts as the bench is now.
std::size_t count_stores(Bench& bench) {
    bench.service().run_under_kill_at(never);
    EXPECT_TRUE(bench.start()) << bench.verdict();
    EXPECT_TRUE(bench.service().terminate());
    bench.service().run_under_kill_at(std::nullopt);
    const std::string said = bench.service().said();
    const auto line = said.rfind('\n', said.rfind(" writes"));
    return std::stoul(said.substr(line == std::string::npos ? 0 : line + 1));
}

void begin_with(Bench& bench, bool predecessor) {
    bench.begin();
    if (!predecessor) return;
    ASSERT_TRUE(bench.start()) << bench.verdict();
    bench.service().kill_now();
}

void die_at_stores_on(const char* board, bool predecessor) {
    std::size_t count = 0;
    {
        Bench bench(board);
        begin_with(bench, predecessor);
        count = count_stores(bench);
    }
    printf("%s%s: %zu stores\n", board, predecessor ? ", restart" : "", count);
    ASSERT_GT(count, 2u);
    for (std::size_t k = 1; k <= count; k += stride(count, 10)) {
        SCOPED_TRACE(fmt::format("{}, store {} of {}", board, k, count));
        Bench bench(board);
        begin_with(bench, predecessor);
        launch_to_die(bench, k);
        bench.fire("after the death");
        bench.start("start after the death");
        EXPECT_EQ(bench.verdict(), "");
    }
}

TEST(DeathAtAStore, OfAStart) {
    for (const char* const board : {"q35-vtd", "virt-smmuv3"}) die_at_stores_on(board, false);
}

TEST(DeathAtAStore, OfARestart) {
    for (const char* const board : {"q35-vtd", "virt-smmuv3"}) die_at_stores_on(board, true);
}

}  // namespace
}  // namespace smmu::test

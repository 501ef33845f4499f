// SPDX-License-Identifier: Apache-2.0
// Equality: after every call every stream reaches exactly what the oracle says, and at every store
// in between nothing that is in neither the set before nor the set after. Random clients, objects,
// grants, moves, deaths, lack of tables at the n-th request and units that stop answering.
// SMMU_TEST_SEED repeats a run.
#include <cstdlib>

#include "tests/property/containment/script.hpp"
#include "tests/unit/containment/fake_unit.hpp"

namespace smmu::containment::testing {
namespace {

class Trial final : public Script {
public:
    explicit Trial(std::uint64_t seed, Bug bug = Bug::none)
        : Script(seed, oracle_of(machine_of_groups())) {
        std::vector<DrivenUnit> drivers(2);
        for (unsigned i = 0; i < 2; ++i) {
            units_[i] = new FakeUnit(machine_, i, i == 0 ? 4 : 6);
            units_[i]->bug = bug;
            drivers[i].driver.reset(units_[i]);
        }
        service_ = std::make_unique<Containment>(machine_of_groups(), std::move(drivers), control_,
                                                 clock_, Policy{});
        for (const auto& result : service_->take_over()) EXPECT_TRUE(result);
        machine_.on_store = [this] { check_between(); };
    }
    ~Trial() override {
        machine_.on_store = nullptr;
        service_.reset();
        EXPECT_EQ(machine_.plans, 0) << "a plan was neither carried out nor given back";
    }

    void step() {
        machine_.events.clear();
        act();
        // A call in which a unit stopped answering may be half done on the other one.
        if (unit_failed())
            check_between();
        else
            check_equal();
    }
    bool unit_failed() const {
        return units_[0]->state() == units::UnitState::failed ||
               units_[1]->state() == units::UnitState::failed;
    }
    void break_a_unit() { units_[pick(2)]->dies_after = 1 + int(pick(4)); }
    std::uint64_t stores = 0;

private:
    Cell reached(unsigned unit, std::uint32_t stream, std::uint64_t offset) const {
        const auto leaf = units_[unit]->reach(StreamId{stream}, Iova{window_start + offset});
        return leaf ? Cell{leaf->physical.value, unsigned(leaf->access)} : Cell{};
    }
    template <class F>
    void for_each_granule(F f) const {
        for (unsigned g = 0; g < oracle_.groups.size(); ++g)
            for (const auto& [unit, stream] : oracle_.groups[g].streams) {
                if (units_[unit]->state() == units::UnitState::failed) continue;
                f(g, unit, stream);
            }
    }
    void check_equal() {
        if (machine_.count("RELEASED WHILE REACHABLE") != 0)
            breach("memory was released while reachable");
        if (machine_.count("RETIRED WHILE ATTACHED") != 0)
            breach("a space was retired while a stream was on it");
        for_each_granule([&](unsigned g, unsigned unit, std::uint32_t stream) {
            const Bytes expected = oracle_.expected(g, unit);
            for (std::uint64_t i = 0; i < window_bytes; i += 16)
                if (!(reached(unit, stream, i) == expected[i]))
                    breach("stream " + std::to_string(stream) + " offset " + std::to_string(i) +
                           " reaches " + std::to_string(reached(unit, stream, i).access) +
                           ", must " + std::to_string(expected[i].access));
        });
    }
    void check_between() {
        ++stores;
        for_each_granule([&](unsigned g, unsigned unit, std::uint32_t stream) {
            const Bytes a = before_.expected(g, unit), b = after_.expected(g, unit);
            const Bytes always =
                oracle_.always(g, oracle_.unit_granule[unit]);  // moves go through it
            for (std::uint64_t i = 0; i < window_bytes; i += 16) {
                const Cell now = reached(unit, stream, i);
                if (now.access == 0) continue;
                const auto within = [&](const Cell& c) {
                    return c.access != 0 && c.physical == now.physical &&
                           (now.access & ~c.access) == 0;
                };
                if (!within(a[i]) && !within(b[i]) && !within(always[i]))
                    breach("stream " + std::to_string(stream) + " offset " + std::to_string(i) +
                           " reaches something that is in neither set");
            }
        });
    }

    void begin_shortage() override {
        failing_ = chance(4);
        machine_.fail_nth = failing_ ? 1 + int(pick(5)) : 0;
    }
    bool end_shortage() override { return failing_ && std::exchange(machine_.fail_nth, 0) == 0; }
    bool is_over() const override { return unit_failed(); }
    std::shared_ptr<HeldMemory> own_memory(PhysRange range) override {
        return std::make_shared<FakeMemory>(machine_, std::vector{range});
    }

    FakeMachine machine_;
    FakeControl control_{machine_};
    FakeClock clock_;
    FakeUnit* units_[2] = {};
    bool failing_ = false;
};

std::uint64_t first_seed() {
    const char* given = std::getenv("SMMU_TEST_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 0) : 1;
}

TEST(Equality, HoldsAfterEveryCallAndNothingElseInBetween) {
    std::uint64_t calls = 0, refused = 0, shortages = 0, stores = 0;
    const std::uint64_t seeds = std::getenv("SMMU_TEST_SEED") != nullptr ? 1 : 6;
    for (std::uint64_t seed = first_seed(); seed < first_seed() + seeds; ++seed) {
        Trial run(seed);
        for (int i = 0; i < 400 && run.breach().empty(); ++i) run.step();
        ASSERT_EQ(run.breach(), "") << "seed " << seed << ", call " << run.calls;
        calls += run.calls;
        refused += run.refused;
        shortages += run.shortages;
        stores += run.stores;
    }
    std::printf("%llu calls, %llu refused, %llu short of tables, %llu stores checked\n",
                static_cast<unsigned long long>(calls), static_cast<unsigned long long>(refused),
                static_cast<unsigned long long>(shortages),
                static_cast<unsigned long long>(stores));
    EXPECT_GT(refused, calls / 50);
    EXPECT_GT(shortages, calls / 400);
}

TEST(Equality, HoldsOnTheOtherUnitsWhenOneStopsAnswering) {
    for (std::uint64_t seed = first_seed(); seed < first_seed() + 8; ++seed) {
        Trial run(seed);
        for (int i = 0; i < 60 && run.breach().empty(); ++i) run.step();
        run.break_a_unit();
        for (int i = 0; i < 100 && run.breach().empty() && !run.unit_failed(); ++i) run.step();
        ASSERT_EQ(run.breach(), "") << "seed " << seed << ", call " << run.calls;
    }
}

// The checks can fail: each planted bug is found.
class PlantedBug : public ::testing::TestWithParam<Bug> {};

TEST_P(PlantedBug, IsFound) {
    Trial run(first_seed(), GetParam());
    for (int i = 0; i < 6000 && run.breach().empty(); ++i) run.step();
    EXPECT_NE(run.breach(), "");
}

INSTANTIATE_TEST_SUITE_P(Each, PlantedBug,
                         ::testing::Values(Bug::ignores_block, Bug::skips_flush,
                                           Bug::opens_on_prepare, Bug::attach_leaves_cache));

}  // namespace
}  // namespace smmu::containment::testing

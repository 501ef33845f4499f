// SPDX-License-Identifier: Apache-2.0
// What fails ends closed: units that do not answer, descriptions of other chips, registers that somebody else writes.
#include "tests/unit/ipmmu/driver_bench.hpp"

namespace smmu::units::ipmmu::test {
namespace {

using model::rcar::Domain;

class Failing : public DriverBench {
protected:
    // IMCTR of every context of the main unit shows a flush that is not over.
    void never_flush() {
        line.on_read = [](std::uint64_t address, std::uint32_t value) {
            const bool is_control = address >= 0xe67b0000 && address < 0xe67b0200 && address % 0x40 == 0;
            return is_control ? value | 2 : value;
        };
    }
    void expect_refused(int code, std::string_view words) {
        const std::uint64_t before = line.writes;
        const auto opened = try_open();
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().code, code);
        EXPECT_NE(opened.error().text.find(words), std::string::npos) << opened.error().text;
        EXPECT_EQ(line.writes, before);
    }
    // The unit is found changed, and can be taken over again without anything opening meanwhile.
    void expect_changed(std::string_view words) {
        const auto checked = driver->recheck();
        ASSERT_FALSE(checked);
        EXPECT_EQ(checked.error().code, ESTALE);
        EXPECT_NE(checked.error().text.find(words), std::string::npos) << checked.error().text;
        driver->hard_stop();
        EXPECT_EQ(open_ports(), "");
        const auto taken = take_over();
        ASSERT_TRUE(taken) << taken.error().text;
        EXPECT_TRUE(reaches(0, memory_a));
        EXPECT_EQ(open_ports(), "");
        EXPECT_TRUE(driver->recheck());
    }
    std::uint64_t tied(unsigned slot) { return slot_control("ds1", slot); }
};

TEST_F(Failing, AFlushThatNeverEndsStopsTheUnit) {
    start("h3-es3");
    contain();
    never_flush();
    watch(false);
    const auto revoked = revoke(*granted, memory_a);
    stop_watching();
    ASSERT_FALSE(revoked);
    EXPECT_EQ(revoked.error().code, EIO);
    EXPECT_EQ(driver->state(), UnitState::failed);
    EXPECT_TRUE(driver->report().stop_confirmed);
    EXPECT_FALSE(reaches(0, memory_a));
    EXPECT_EQ(open_ports(), "");
    EXPECT_EQ(driver->attach(sdhi(0), *granted).error().code, EIO);
    EXPECT_EQ(grant(*granted, 0x5000, memory_a).error().code, EIO);
    line.on_read = nullptr;
    ASSERT_TRUE(take_over());
    EXPECT_EQ(open_ports(), "");
}

TEST_F(Failing, AUnitThatNeverFlushesIsNotTakenOverAndClosed) {
    start("h3-es3", {}, {.never_flushes = true});
    open();
    granted = &new_space();
    watch(false);
    const auto taken = take_over();
    stop_watching();
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, EIO);
    EXPECT_EQ(driver->state(), UnitState::failed);
    EXPECT_FALSE(driver->report().stop_confirmed) << "what the refusing context remembers nobody knows";
    EXPECT_EQ(open_ports(), "");
}

TEST_F(Failing, AHardStopClosesAtEachWrite) {
    for (const char* const name : {"h3-es2", "h3-es3", "v4h"}) {
        SCOPED_TRACE(name);
        start(name);
        open();
        granted = &new_space();
        ASSERT_TRUE(grant(*granted, memory_a, memory_a));
        const bool is_gen4 = machine->facts().product.generation == 4;
        const Assignment assignments[] = {{is_gen4 ? stream("ds0", 32) : sdhi(0), granted}};
        ASSERT_TRUE(driver->take_over(assignments));
        watch(false);
        driver->hard_stop();
        stop_watching();
        EXPECT_TRUE(driver->report().stop_confirmed);
        EXPECT_FALSE(dma(is_gen4 ? "ds0" : "ds1", 32, memory_a));
        EXPECT_EQ(open_ports(), "");
        EXPECT_TRUE(machine->complaints().all().empty()) << testing::PrintToString(machine->complaints().all());
        end_driver();
    }
}

TEST_F(Failing, BeforeTheTakeOverAHardStopClosesToo) {
    start("h3-es3");
    open();
    driver->hard_stop();
    EXPECT_EQ(open_ports(), "");
}

TEST_F(Failing, DescriptionsOfOtherChipsAreRefused) {
    start("h3-es3");
    unit.chips = {{0x4f, 0x00}, {0x4f, 0x01}};
    expect_refused(EINVAL, "the chip is R-Car H3 ES3 (0x4f.0x20), and the description (test.smmu:1) is for R-Car H3 ES1 (0x4f.0x0)");
    unit.chips = {{0x4f, 0x10}, {0x4f, 0x20}};
    auto good = try_open();
    ASSERT_TRUE(good) << good.error().text;
    good->reset();
    unit.caches[0].status_bit = 5;
    expect_refused(EINVAL, "not bit 5");
    unit.caches[0] = {"mp1", {{0xec680000}, {0xec680fff}}, 5, {"test.smmu:9"}};
    expect_refused(EINVAL, "no cache unit at 0xec680000");
    describe_all();
    unit.caches.push_back(unit.caches.front());
    expect_refused(EINVAL, "are both at");
    describe_all();
    unit.registers = {{0xe67c0000}, {0xe67c0fff}};
    expect_refused(EINVAL, "whose main IPMMU is at 0xe67b0000");
}

TEST_F(Failing, UnknownChipsAreRefused) {
    start("h3-es3");
    line.on_read = [](std::uint64_t address, std::uint32_t value) { return address == 0xfff00044 ? 0x7700u : value; };
    expect_refused(ENOTSUP, "product 0x77");
    line.on_read = [](std::uint64_t address, std::uint32_t value) { return address == 0xfff00044 ? ~0u : value; };
    expect_refused(ENXIO, "nothing answers");
}

TEST_F(Failing, ALookTellsWhatHasToBeProtected) {
    start("h3-es3");
    describe_only("ds1");
    const auto seen = look(platform, unit);
    ASSERT_TRUE(seen) << seen.error().text;
    EXPECT_TRUE(seen->answers);
    EXPECT_EQ(seen->register_bytes, 0x1000u);
    EXPECT_FALSE(seen->tables);
    EXPECT_EQ(seen->also_protected.size(), 17u) << "16 cache units, and the power controller";
    contain();
    EXPECT_TRUE(look(platform, unit)->tables);
    unit.chips = {{0x52, 0x10}};
    EXPECT_EQ(look(platform, unit).error().code, EINVAL);
}

TEST_F(Failing, RegistersThatSomebodyElseWritesAreSeen) {
    start("h3-es3");
    contain();
    expect_no_complaint = false;  // of the intruder
    put(tied(34), 0);
    EXPECT_TRUE(reaches(2, memory_b)) << "open, for as long as nobody looks";
    expect_changed("ds1 micro-TLB 34");
    put(tied(32), get(tied(35)));
    expect_changed("ds1 micro-TLB 32");
    put(context(base("ds1"), 2, 0), 0);
    expect_changed("of context 2 in ds1");
    put(in_main(2, 0), 0);
    expect_changed("IMCTR of context 2");
    put(in_main(2, 0x10), std::uint32_t(new_table()));
    expect_changed("IMTTLBR0");
    put(in_main(1, 0x10), std::uint32_t(new_table()));  // that which refuses
    const auto checked = driver->recheck();
    ASSERT_FALSE(checked);
    EXPECT_NE(checked.error().text.find("IMTTLBR0 of context 1"), std::string::npos);
    driver->hard_stop();
    EXPECT_FALSE(driver->report().stop_confirmed) << "a live context was changed";
    EXPECT_EQ(open_ports(), "");
    ASSERT_TRUE(take_over());
    EXPECT_EQ(open_ports(), "");
}

TEST_F(Failing, ADomainThatLosesPowerIsSeenAndNotTouched) {
    start("h3-es3");
    contain();
    ASSERT_TRUE(driver->attach(stream("vc0", 8), *granted));
    put(0xe6180384, 1);
    ASSERT_FALSE(machine->unit("vc0").is_powered());
    ASSERT_TRUE(grant(*granted, 0x5000, memory_a));
    ASSERT_TRUE(revoke(*granted, 0x5000)) << "what has no power remembers nothing";
    const auto checked = driver->recheck();
    ASSERT_FALSE(checked);
    EXPECT_EQ(checked.error().code, ESTALE);
    EXPECT_NE(checked.error().text.find("A3VC"), std::string::npos) << checked.error().text;
    driver->hard_stop();
    EXPECT_EQ(open_ports(), "");
    ASSERT_TRUE(take_over());
    EXPECT_TRUE(machine->unit("vc0").is_powered());
    EXPECT_EQ(open_ports(), "");
    EXPECT_TRUE(reaches(0, memory_a));
}

TEST_F(Failing, ACacheUnitThatKeepsItsCacheOnIsNotUsed) {
    start("h3-es2");
    auto facts = machine->facts();
    for (auto& cache : facts.product.units) cache.is_cache_off_at_start = false;
    boot(std::move(facts));
    cleaned_machine = line.machine = machine.get();
    line.swallows = [](std::uint64_t address) { return address == 0xe6740500; };  // ds0: of secure firmware
    open();
    granted = &new_space();
    const auto taken = take_over();
    ASSERT_FALSE(taken);
    EXPECT_NE(taken.error().text.find("ds0: IMSCTLR"), std::string::npos) << taken.error().text;
    EXPECT_FALSE(driver->report().stop_confirmed);
    EXPECT_EQ(open_ports(), "");
    expect_complaint("ds0: micro-TLB 0 is enabled with the cache on");
}

TEST_F(Failing, TurnedOffItIsAsItWasFound) {
    start("h3-es3");
    contain();
    ASSERT_TRUE(driver->turn_off());
    EXPECT_NE(open_ports(), "");
    expect_complaint("is turned off: its master reaches all memory");
    EXPECT_EQ(get(auxiliary()), 1u << 24);
    EXPECT_EQ(driver->state(), UnitState::untouched);
    const auto taken = take_over();
    ASSERT_TRUE(taken) << taken.error().text;
    EXPECT_EQ(taken->found, Found::off);
    EXPECT_EQ(open_ports(), "");
}

TEST_F(Failing, AMachineThatIsGoneEndsQuickly) {
    start("h3-es3");
    contain();
    line.on_read = [](std::uint64_t, std::uint32_t) { return ~0u; };
    EXPECT_FALSE(driver->recheck());
    EXPECT_EQ(driver->block(sdhi(0), Recording::on).error().code, EIO);
    EXPECT_FALSE(driver->report().stop_confirmed);
    Collected seen;
    EXPECT_EQ(driver->drain(seen).seen, 0u);
}

}  // namespace
}  // namespace smmu::units::ipmmu::test

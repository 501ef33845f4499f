// SPDX-License-Identifier: Apache-2.0
// Ends: what happens when a client dies, lets go, or hands a device on, and when a unit fails.
#include "tests/unit/containment/house.hpp"

namespace smmu::containment::testing {
namespace {

class Ends : public House {
public:
    Ends() : a(client(100)), b(client(200)), o(object(a)), p(object(b)) {}
    ClientId a, b;
    ObjectId o, p;
};

TEST_F(Ends, AHardwareFailureWhileAddingLeavesTheDeviceWithoutOwner) {
    EXPECT_EQ(grant(a, o, 0x10000, page), 0);
    unit0->dies_after = 2;
    EXPECT_EQ(add(a, o, alone), EIO);
    EXPECT_EQ(may(unit0, 8, 0x10000), "-");
    EXPECT_FALSE(service->view(DeviceIndex{0}).object.has_value());
    EXPECT_EQ(add(a, o, twin), EIO) << "its unit does not contain any more";
    EXPECT_EQ(service->view(DeviceIndex{1}).state, Containment::DeviceView::State::failed);
    EXPECT_EQ(service->view(DeviceIndex{5}).state, Containment::DeviceView::State::no_unit);
}

TEST_F(Ends, DeathIsBusMasterOffThenBlockThenResetThenRelease) {
    auto by_fd = translated(0x20000, page, 0x90000);
    by_fd.memory = std::make_shared<FakeMemory>(machine, std::vector{phys(0x90000, page)});
    EXPECT_EQ(grant(a, o, by_fd), 0);
    by_fd.memory.reset();
    EXPECT_EQ(add(a, o, twin), 0);
    machine.events.clear();
    service->disconnect(a);
    const std::vector<std::string> expected = {"bus-master-off", "bus-master-off", "block 0:16",
                                               "block 0:17",     "reset",          "reset",
                                               "retire",         "memory released"};
    ASSERT_EQ(machine.events.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i)
        EXPECT_TRUE(machine.events[i].starts_with(expected[i])) << i;
    EXPECT_EQ(service->objects().size(), 1u);
    EXPECT_EQ(add(b, p, twin), 0);
    EXPECT_EQ(machine.count("bus-master-off"), 2u) << "it is quiet already";
}

TEST_F(Ends, DeathDuringAnOperationIsSafe) {
    auto many = request(0x100000, 16);
    for (std::uint64_t i = 1; i < 8; ++i)
        many.pieces.push_back({iova(0x100000 + i * 0x20000, 16), PhysAddr{0x100000 + i * 0x20000}});
    EXPECT_EQ(grant(a, o, many), 0);
    auto adding = service->add_device(a, o, both);
    ASSERT_TRUE(adding);
    units::Budget budget{3};
    EXPECT_EQ((*adding)->step(budget), units::Progress::more);
    EXPECT_EQ(may(unit0, 100, 0x100000), "-") << "nothing before the tables are complete";
    service->disconnect(a);
    EXPECT_EQ(machine.plans, 0);
    EXPECT_EQ(add(b, p, both), 0);
}

TEST_F(Ends, ADifferentOwnerGetsAQuietDevice) {
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(remove(a, alone), 0);
    EXPECT_EQ(machine.count("bus-master-off"), 0u) << "its owner may go on with it";
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(machine.count("bus-master-off"), 0u);
    EXPECT_EQ(destroy(a, o), 0);
    machine.events.clear();
    EXPECT_EQ(grant(b, p, 0x10000, page), 0);
    EXPECT_EQ(add(b, p, alone), 0);
    EXPECT_LT(machine.position("bus-master-off"), machine.position("block"));
    EXPECT_LT(machine.position("reset"), machine.position("attach"));
    EXPECT_LT(machine.position("attach"), machine.events.size());
}

TEST_F(Ends, AGroupOpensOnlyWhenItsResetIsOver) {
    EXPECT_EQ(add(a, o, twin), 0);
    control.slow = true;
    service->disconnect(a);
    EXPECT_EQ(grant(b, p, 0x10000, page), 0);
    auto adding = service->add_device(b, p, twin);
    ASSERT_TRUE(adding);
    for (int i = 0; i < 3; ++i) {
        units::Budget budget;
        EXPECT_EQ((*adding)->step(budget), units::Progress::more);
    }
    EXPECT_EQ(may(unit0, 16, 0x10000), "-");
    EXPECT_EQ(machine.count("reset"), 2u) << "once for each member";
    EXPECT_EQ(service->change_grants(b, p, request(0x20000, page)).error().code, EBUSY)
        << "a second call of the same client does not wait in here";
    const ClientId c = client(300);
    EXPECT_EQ(add(c, object(c), alone), 0) << "others go on";
    control.under_way.clear();
    EXPECT_EQ(run(std::move(adding)), 0);
    EXPECT_EQ(may(unit0, 16, 0x10000), "rw");
}

TEST_F(Ends, DeathWhileWaitingForAResetIsSafe) {
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(destroy(a, o), 0);
    control.slow = true;
    auto adding = service->add_device(b, p, alone);
    units::Budget budget;
    EXPECT_EQ((*adding)->step(budget), units::Progress::more);
    service->disconnect(b);
    EXPECT_FALSE(service->view(DeviceIndex{0}).object.has_value());
    EXPECT_EQ((*adding)->step(budget), units::Progress::done);
    const ClientId c = client(300);
    auto waiting = service->add_device(c, object(c), alone);
    EXPECT_EQ((*waiting)->step(budget), units::Progress::more) << "the same reset";
    control.under_way.clear();
    EXPECT_EQ(run(std::move(waiting)), 0);
}

TEST_F(Ends, EveryDeviceOfADeadClientIsQuietAndBlockedBeforeAResetBegins) {
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(add(a, object(a), twin), 0);
    machine.events.clear();
    service->disconnect(a);
    const auto reset = machine.position("reset");
    EXPECT_EQ(machine.position("bus-master-off", reset), machine.events.size());
    EXPECT_EQ(machine.position("block", reset), machine.events.size());
    EXPECT_EQ(machine.count("reset"), 3u);
}

TEST_F(Ends, WhatAnEarlierServiceLeftIsMadeQuietBeforeItsFirstOwner) {
    for (const auto before : {units::Found::own, units::Found::foreign, units::Found::pass_through}) {
        found = before;
        build(small_machine());
        const ClientId c = client(1);
        const ObjectId q = object(c);
        machine.events.clear();
        EXPECT_EQ(add(c, q, alone), 0);
        EXPECT_LT(machine.position("bus-master-off"), machine.position("reset"));
        EXPECT_LT(machine.position("reset"), machine.position("attach"));
        EXPECT_LT(machine.position("attach"), machine.events.size());
        machine.events.clear();
        EXPECT_EQ(remove(c, alone), 0);
        EXPECT_EQ(add(c, q, alone), 0);
        EXPECT_EQ(machine.count("bus-master-off"), 0u) << "its owner is known now";
        EXPECT_EQ(add(c, q, starter), 0);
        EXPECT_EQ(machine.count("reset"), 0u) << "startup mappings are for DMA that goes on";
        EXPECT_EQ(add(c, q, coarse), 0);
        EXPECT_EQ(machine.count("reset"), 0u) << "its unit was found off";
    }
}

TEST_F(Ends, DestroyBlocksFlushesDetachesForgets) {
    EXPECT_EQ(grant(a, o, 0x10000, page), 0);
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(add(a, o, coarse), 0);
    EXPECT_EQ(destroy(a, o), 0);
    EXPECT_EQ(may(unit0, 8, 0x10000), "-");
    EXPECT_EQ(may(unit1, 1, 0x10000), "-");
    EXPECT_EQ(destroy(a, o), EINVAL);
    EXPECT_EQ(add(b, p, alone), 0);
}

TEST_F(Ends, RecheckStopsAUnitThatChangedAndTakesItOverAgain) {
    EXPECT_EQ(grant(a, o, 0x10000, page), 0);
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_TRUE(service->recheck().empty());
    unit0->changed = true;
    clock.pause(std::chrono::seconds(1));
    const auto errors = service->recheck();
    ASSERT_EQ(errors.size(), 1u);
    EXPECT_NE(errors[0].text.find("taken over again"), std::string::npos) << errors[0].text;
    EXPECT_NE(errors[0].text.find("1000 ms"), std::string::npos) << errors[0].text;
    EXPECT_EQ(may(unit0, 8, 0x10000), "rw");
    unit0->fail_take_over = true;
    EXPECT_NE(service->recheck()[0].text.find("could not"), std::string::npos);
    EXPECT_EQ(unit0->state(), units::UnitState::failed);
}

TEST_F(Ends, RecheckSaysEachTimeThatAUnitIsFailedAndDoesNotOpenItAgain) {
    EXPECT_EQ(grant(a, o, 0x10000, page), 0);
    EXPECT_EQ(add(a, o, alone), 0);
    unit0->dies_after = 1;
    EXPECT_EQ(grant(a, o, 0x10000, page, Access::none), EIO);
    const auto taken_over = machine.count("take-over 0");
    for (const bool confirmed : {true, false}) {
        unit0->stop_confirmed = confirmed;
        const auto errors = service->recheck();
        ASSERT_EQ(errors.size(), 1u);
        EXPECT_TRUE(errors[0].text.starts_with("unit0 is failed")) << errors[0].text;
        EXPECT_EQ(errors[0].text.find("everything behind it refuses") != std::string::npos, confirmed)
            << errors[0].text;
    }
    EXPECT_EQ(unit0->state(), units::UnitState::failed);
    EXPECT_EQ(machine.count("take-over 0"), taken_over);
}

TEST_F(Ends, LeaveKeepsStartupOrNothing) {
    EXPECT_EQ(grant(a, o, 0x10000, page), 0);
    EXPECT_EQ(add(a, o, starter), 0);
    service->leave(true);
    EXPECT_EQ(may(unit0, 24, 0x10000), "-");
    EXPECT_EQ(may(unit0, 24, 0x50000), "rw");
    build(small_machine());
    service->leave(false);
    EXPECT_EQ(may(unit0, 24, 0x50000), "-");
}

}  // namespace
}  // namespace smmu::containment::testing

// SPDX-License-Identifier: Apache-2.0
// Another topology of the same machine takes the place of the one in force.
#include "tests/unit/containment/house.hpp"

namespace smmu::containment::testing {
namespace {

using topology::Grant;
using Gone = Containment::Gone;

class Revisions : public House {
protected:
    topology::Topology next = small_machine();

    topology::Device& device(unsigned dev, unsigned function = 0) {
        const topology::DeviceId id = topology::PciAddress{0, 0, std::uint8_t(dev), std::uint8_t(function)};
        return *std::ranges::find(next.devices, id, &topology::Device::id);
    }
    // Takes a device out, with everything that counts by number put right again.
    void take_out(unsigned dev, unsigned function = 0) {
        const topology::DeviceId id = topology::PciAddress{0, 0, std::uint8_t(dev), std::uint8_t(function)};
        std::erase_if(next.devices, [&](const topology::Device& d) { return d.id == id; });
        regroup();
    }
    void regroup() {
        for (topology::Group& group : next.groups) group.devices.clear();
        for (std::size_t i = 0; i < next.devices.size(); ++i)
            next.groups[raw(next.devices[i].group)].devices.push_back(DeviceIndex(std::uint32_t(i)));
    }
    void give_startup(unsigned dev, std::uint64_t at) {
        device(dev).grants.push_back({Grant::Kind::startup, phys(at, page), read_write, true, {}});
    }
    bool reaches(unsigned unit, std::uint32_t stream, std::uint64_t address) const {
        return may(machine.units[unit], stream, address) != "-";
    }
    Result<void> replace(Gone gone = Gone::refused) { return service->replace_topology(next, gone); }
};

TEST_F(Revisions, TheSameAgainChangesNothing) {
    machine.events.clear();
    ASSERT_TRUE(replace());
    EXPECT_EQ(machine.count("attach"), 0u);
    EXPECT_EQ(machine.count("block"), 0u);
}

TEST_F(Revisions, AStartupMappingComesAndGoes) {
    EXPECT_FALSE(reaches(0, 8, 0x90000));
    give_startup(1, 0x90000);
    ASSERT_TRUE(replace());
    EXPECT_TRUE(reaches(0, 8, 0x90000));
    next = small_machine();
    ASSERT_TRUE(replace());
    EXPECT_FALSE(reaches(0, 8, 0x90000));
}

TEST_F(Revisions, WhatSomebodyHoldsNeitherGrowsNorShrinks) {
    const ClientId owner = client(7);
    const ObjectId mine = object(owner);
    ASSERT_EQ(add(owner, mine, alone), 0);
    give_startup(1, 0x90000);
    give_startup(3, 0x90000);
    auto refused = replace();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, EBUSY);
    EXPECT_NE(refused.error().text.find("pid 7"), std::string::npos);
    EXPECT_FALSE(reaches(0, 8, 0x90000));
    EXPECT_FALSE(reaches(0, 24, 0x90000)) << "half of it was done";

    next = small_machine();
    device(1).blocked = true;
    EXPECT_FALSE(replace());
    next = small_machine();
    device(1).streams.push_back({UnitId{0}, StreamId{9}, {}});
    EXPECT_FALSE(replace());
    next = small_machine();
    give_startup(3, 0x90000);
    ASSERT_TRUE(replace());
    EXPECT_TRUE(reaches(0, 24, 0x90000));
}

TEST_F(Revisions, UnitsStay) {
    next.units.pop_back();
    const auto refused = replace();
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, EINVAL);
}

TEST_F(Revisions, ADeviceThatAppearsRefusesUntilSomebodyHasIt) {
    topology::Device late = pci_device(0, 1, {{UnitId{0}, StreamId{1}, {}}}, 8);  // the first by address
    next.devices.insert(next.devices.begin(), late);
    next.groups.emplace_back();
    regroup();
    ASSERT_TRUE(replace());
    EXPECT_FALSE(reaches(0, 1, 0x90000));
    const ClientId owner = client(7);
    const ObjectId mine = object(owner);
    ASSERT_EQ(add(owner, mine, PciQuery{0, 0, 0, 1}), 0);
    ASSERT_EQ(grant(owner, mine, 0x90000, page), 0);
    EXPECT_TRUE(reaches(0, 1, 0x90000));
    EXPECT_FALSE(reaches(0, 8, 0x90000)) << "numbers of other devices have shifted";
}

TEST_F(Revisions, ADeviceThatVanishesRefusesAndItsOwnerIsTold) {
    const ClientId owner = client(7);
    const ObjectId mine = object(owner);
    ASSERT_EQ(add(owner, mine, alone), 0);
    ASSERT_EQ(grant(owner, mine, 0x90000, page), 0);
    Reader* reader = *service->open_reader(owner);
    take_out(1);
    EXPECT_FALSE(replace(Gone::refused));
    EXPECT_TRUE(reaches(0, 8, 0x90000));
    ASSERT_TRUE(replace(Gone::let_go));
    EXPECT_FALSE(reaches(0, 8, 0x90000));
    const auto record = reader->next();
    ASSERT_TRUE(record);
    EXPECT_EQ(record->transgression.cause, Cause::device_gone);
    EXPECT_EQ(record->transgression.owner_pid, 7);
    EXPECT_EQ(service->view(DeviceIndex{0}).state, Containment::DeviceView::State::gone);
    EXPECT_FALSE(service->view(DeviceIndex{0}).object);

    EXPECT_EQ(add(owner, mine, alone), ENOENT) << "nobody can have it before it is back";

    next = small_machine();  // it comes back
    ASSERT_TRUE(replace());
    EXPECT_FALSE(reaches(0, 8, 0x90000));
    EXPECT_EQ(service->view(DeviceIndex{0}).state, Containment::DeviceView::State::blocked);
}

TEST_F(Revisions, WhenOneOfAGroupVanishesTheOthersGoOn) {
    const ClientId owner = client(7);
    const ObjectId mine = object(owner);
    ASSERT_EQ(add(owner, mine, twin), 0);
    ASSERT_EQ(add(owner, mine, other_twin), 0);
    ASSERT_EQ(grant(owner, mine, 0x90000, page), 0);
    ASSERT_TRUE(reaches(0, 17, 0x90000));
    take_out(2, 1);
    ASSERT_TRUE(replace(Gone::let_go));
    EXPECT_TRUE(reaches(0, 16, 0x90000));
    EXPECT_TRUE(reaches(0, 17, 0x90000)) << "the stream belongs to the one that is left, too";
}

// Tables made for a group as it was hold what only the vanished one may reach.
TEST_F(Revisions, WhatWasTheVanishedOnesAloneIsNobodysInItsGroup) {
    device(2, 0).grants.push_back({Grant::Kind::startup, phys(0x98000, page), read_write, true, {}});
    ASSERT_TRUE(replace());
    const ClientId owner = client(7);
    const ObjectId mine = object(owner);
    for (const PciQuery& query : {alone, twin, other_twin}) ASSERT_EQ(add(owner, mine, query), 0);
    ASSERT_EQ(grant(owner, mine, 0x90000, page), 0);
    ASSERT_TRUE(reaches(0, 17, 0x98000));
    take_out(2, 0);
    ASSERT_TRUE(replace(Gone::let_go));
    for (const std::uint32_t stream : {16u, 17u}) EXPECT_FALSE(reaches(0, stream, 0x98000));
    EXPECT_FALSE(reaches(0, 16, 0x90000));
    EXPECT_TRUE(reaches(0, 8, 0x90000));
    EXPECT_EQ(add(owner, mine, other_twin), 0) << "the one that is left can be had again";
    EXPECT_TRUE(reaches(0, 17, 0x90000));
    EXPECT_FALSE(reaches(0, 17, 0x98000));
    service->disconnect(owner);
    EXPECT_FALSE(reaches(0, 17, 0x90000));
}

TEST_F(Revisions, AVanishedDeviceRefusesThoughTheRestCannotBeFollowed) {
    const ClientId owner = client(7), other = client(8);
    const ObjectId mine = object(owner), theirs = object(other);
    ASSERT_EQ(add(owner, mine, alone), 0);
    ASSERT_EQ(grant(owner, mine, 0x90000, page), 0);
    ASSERT_EQ(add(other, theirs, twin), 0);
    device(2, 0).streams.push_back({UnitId{0}, StreamId{18}, {}});
    take_out(1);
    EXPECT_FALSE(replace(Gone::let_go));
    EXPECT_FALSE(reaches(0, 8, 0x90000));
}

TEST_F(Revisions, RegistersOfADeviceThatSomebodyHasComeIntoNobodysReach) {
    topology::Topology machine_now = small_machine();
    machine_now.devices[0].registers = {phys(0xc0000, page)};
    build(machine_now);
    next = machine_now;
    const ClientId owner = client(7), other = client(8);
    ASSERT_EQ(add(owner, object(owner), alone), 0);
    const ObjectId theirs = object(other);
    ASSERT_EQ(grant(other, theirs, 0x90000, page), 0);
    give_startup(3, 0xc0000);
    const auto opened = replace();
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, EBUSY);
    EXPECT_FALSE(reaches(0, 24, 0xc0000));
    next = machine_now;
    device(1).registers = {phys(0x90000, page)};
    EXPECT_FALSE(replace()) << "they moved to memory that somebody else has granted";
    device(1).registers = {phys(0xa8000, page)};
    EXPECT_TRUE(replace());
}

TEST_F(Revisions, NothingBecomesProtectedThatSomebodyHasGranted) {
    const ClientId owner = client(7);
    const ObjectId mine = object(owner);
    ASSERT_EQ(add(owner, mine, alone), 0);
    ASSERT_EQ(grant(owner, mine, 0x90000, page), 0);
    next.protected_memory.push_back({phys(0x90000, 0x100), "something new"});
    EXPECT_FALSE(replace());
    EXPECT_TRUE(reaches(0, 8, 0x90000));
}

TEST_F(Revisions, NothingBecomesProtectedThatADeviceOfSomebodyReachesFromTheStart) {
    give_startup(1, 0x90000);
    ASSERT_TRUE(replace());
    const ClientId owner = client(7);
    ASSERT_EQ(add(owner, object(owner), alone), 0);
    next.protected_memory.push_back({phys(0x90000, 0x100), "something new"});
    EXPECT_FALSE(replace());
    next.protected_memory.back().range = phys(0x98000, 0x100);
    EXPECT_TRUE(replace());
}

TEST_F(Revisions, WithoutTablesForAllOfItNothingChanges) {
    give_startup(1, 0x90000);
    give_startup(3, 0x98000);
    for (int nth = 1;; ++nth) {
        machine.fail_nth = nth;
        const auto replaced = replace();
        if (replaced) {
            ASSERT_GT(nth, 4) << "nothing was prepared";
            break;
        }
        EXPECT_EQ(replaced.error().code, ENOMEM);
        EXPECT_FALSE(reaches(0, 8, 0x90000));
        EXPECT_FALSE(reaches(0, 24, 0x98000));
        EXPECT_TRUE(reaches(0, 24, 0x50000));
    }
    EXPECT_TRUE(reaches(0, 8, 0x90000));
    EXPECT_TRUE(reaches(0, 24, 0x98000));
}

}  // namespace
}  // namespace smmu::containment::testing

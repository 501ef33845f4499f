// SPDX-License-Identifier: Apache-2.0
// Bookkeeping: what is not looked at again because nothing of it changes must be right all the same.
#include "tests/unit/containment/house.hpp"

namespace smmu::containment::testing {
namespace {

class Bookkeeping : public House {
public:
    Bookkeeping() : a(client(100)), o(object(a)) {}
    GrantRequest backwards(std::uint64_t address, std::uint64_t pages) {
        auto made = translated(address, page, 0);
        made.pieces.clear();
        for (std::uint64_t i = 0; i < pages; ++i)
            made.pieces.push_back({iova(address + i * page, page), PhysAddr{0x40000000 - i * page}});
        return made;
    }
    std::optional<Leaf> at(std::uint64_t address, std::uint32_t stream = 8) const {
        return unit0->reach(StreamId{stream}, Iova{address});
    }
    ClientId a;
    ObjectId o;
};

TEST_F(Bookkeeping, AListIsOneChange) {
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(grant(a, o, backwards(0x100000, 512)), 0);
    EXPECT_EQ(service->objects()[0].grants.size(), 512u);
    EXPECT_EQ(at(0x100000 + 300 * page)->physical, PhysAddr{0x40000000 - 300 * page});
    machine.events.clear();
    auto removal = backwards(0x100000, 512);
    removal.access = Access::none;
    removal.translated = false;
    EXPECT_EQ(grant(a, o, removal), 0);
    EXPECT_EQ(machine.count("flush"), 1u);
    EXPECT_TRUE(service->objects()[0].grants.empty());
}

TEST_F(Bookkeeping, AListThatFailsAtItsEndChangesNothing) {
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(grant(a, o, 0x100000, page), 0);
    auto list = backwards(0x100000, 100);
    list.pieces.push_back({iova(0x900000, page), PhysAddr{0xfed90000}});
    EXPECT_EQ(grant(a, o, list), EPERM);
    const auto grants = service->objects()[0].grants;
    ASSERT_EQ(grants.size(), 1u);
    EXPECT_EQ(grants[0].physical, PhysAddr{0x100000});
    EXPECT_EQ(at(0x101000), std::nullopt);
}

TEST_F(Bookkeeping, NeighboursThatJoinCountAsOne) {
    build(small_machine(), {.grants_per_user = 2});
    const ClientId c = client(1);
    const ObjectId p = object(c);
    EXPECT_EQ(grant(c, p, 0x10000, 16), 0);
    EXPECT_EQ(grant(c, p, 0x10020, 16), 0);
    EXPECT_EQ(grant(c, p, 0x10040, 16), EDQUOT);
    EXPECT_EQ(grant(c, p, 0x10010, 16), 0) << "all three are one";
    EXPECT_EQ(grant(c, p, 0x10040, 16), 0);
    EXPECT_EQ(grant(c, p, 0x10008, 8, Access::none), 0) << "a removal may split what it likes";
    EXPECT_EQ(service->objects()[0].grants.size(), 3u);
}

TEST_F(Bookkeeping, ADeviceThatJoinsOthersChangesNoTables) {
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(grant(a, o, backwards(0x100000, 100)), 0);
    machine.events.clear();
    EXPECT_EQ(add(a, o, twin), 0);
    EXPECT_EQ(machine.count("fill"), 0u);
    EXPECT_EQ(at(0x100000 + 99 * page, 16)->physical, PhysAddr{0x40000000 - 99 * page});
}

TEST_F(Bookkeeping, ADeviceOfACoarserUnitRoundsOthersAnew) {
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(grant(a, o, 0x100000, page), 0);
    EXPECT_EQ(at(0x101000), std::nullopt);
    EXPECT_EQ(add(a, o, coarse), 0);
    ASSERT_TRUE(at(0x101000));
    EXPECT_EQ(at(0x101000)->physical, PhysAddr{0x101000});
    EXPECT_EQ(grant(a, o, 0x100000, page, Access::none), 0);
    EXPECT_EQ(at(0x101000), std::nullopt);
    EXPECT_EQ(at(0x100000), std::nullopt);
}

TEST_F(Bookkeeping, AnObjectThatItsDevicesAreLeavingKeepsItsGranule) {
    EXPECT_EQ(add(a, o, coarse), 0);
    EXPECT_EQ(grant(a, o, 0x100000, page), 0);
    const ObjectId next = object(a);
    auto moving = service->add_device(a, next, coarse);
    ASSERT_TRUE(moving);
    EXPECT_EQ(may(unit1, 1, 0x100000), "rw") << "its tables hold until the new ones are complete";
    EXPECT_EQ(grant(a, o, 0x100000, page, Access::none), 0);
    EXPECT_EQ(may(unit1, 1, 0x100000), "-");
    EXPECT_EQ(may(unit1, 1, 0x10f000), "-");
    EXPECT_EQ(run(std::move(moving)), 0);
    EXPECT_EQ(grant(a, o, 0x100000, 16), 0);
    EXPECT_EQ(service->objects()[0].exposed_by_rounding, page - 16) << "without devices it starts anew";
}

// A client that takes a device over and ends its object before that is done leaves nothing of the other object's open.
TEST_F(Bookkeeping, ATakeOverThatEndsHalfWayLeavesNoTables) {
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(add(a, o, coarse), 0);
    EXPECT_EQ(grant(a, o, 0x100000, page), 0);
    EXPECT_TRUE(at(0x10f000)) << "rounded out for the coarse unit";
    EXPECT_EQ(remove(a, coarse), 0);
    const ObjectId next = object(a);
    auto moving = service->add_device(a, next, alone);
    ASSERT_TRUE(moving);
    EXPECT_EQ(destroy(a, next), 0);
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_TRUE(at(0x100000));
    EXPECT_FALSE(at(0x10f000));
    EXPECT_EQ(grant(a, o, 0x100000, page, Access::none), 0);
    EXPECT_FALSE(at(0x100000));
    EXPECT_FALSE(at(0x101000));
}

TEST_F(Bookkeeping, NothingIsDoneInPlaceWhileAnotherSpaceMayRefuse) {
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(add(a, o, coarse), 0);
    for (FakeUnit* unit : machine.units) {
        unit->has_no_tables = true;
        machine.changes = 0;
        machine.events.clear();
        EXPECT_EQ(grant(a, o, 0x100000, 0x10000), ENOMEM);
        EXPECT_FALSE(at(0x100000));
        EXPECT_EQ(machine.count("fill"), 0u);
        unit->has_no_tables = false;
    }
    EXPECT_EQ(grant(a, o, 0x100000, 0x10000), 0);
    EXPECT_TRUE(at(0x100000));
}

TEST_F(Bookkeeping, RemovalsSplitGrantsWithinABound) {
    Policy policy;
    policy.grants_per_user = 4;
    build(small_machine(), policy);
    const ClientId c = client(77);
    const ObjectId holes = object(c);
    EXPECT_EQ(grant(c, holes, 0x100000, 64 * page), 0);
    for (std::uint64_t hole = 1; hole <= 7; ++hole)
        EXPECT_EQ(grant(c, holes, 0x100000 + hole * 2 * page, page, Access::none), 0);
    EXPECT_EQ(grant(c, holes, 0x100000 + 30 * page, page, Access::none), EDQUOT);
    EXPECT_EQ(grant(c, holes, 0x100000, 64 * page, Access::none), 0) << "all of it can always go";
}

TEST_F(Bookkeeping, WhatIsStarvedIsNotTakenForOpen) {
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(grant(a, o, 0x10000, 16, Access::read), 0);
    EXPECT_EQ(grant(a, o, 0x10010, 16, Access::write), 0);
    machine.only_removals_succeed = true;
    EXPECT_EQ(grant(a, o, 0x10010, 16, Access::none), 0);
    EXPECT_EQ(at(0x10000), std::nullopt);
    machine.only_removals_succeed = false;
    EXPECT_EQ(grant(a, o, 0x10020, 16, Access::read), 0) << "the same granule, and nothing else";
    ASSERT_TRUE(at(0x10000));
    EXPECT_EQ(at(0x10000)->access, Access::read);
    EXPECT_EQ(grant(a, o, 0x10000, page, Access::none), 0);
    EXPECT_EQ(at(0x10000), std::nullopt);
}

TEST_F(Bookkeeping, ANumberOfMemoryIsUsedAgainForOtherMemory) {
    EXPECT_EQ(add(a, o, alone), 0);
    const auto give = [&](std::uint64_t address, std::uint64_t physical) {
        auto by_fd = translated(address, page, physical);
        by_fd.memory = std::make_shared<FakeMemory>(machine, std::vector{phys(physical, page)});
        return grant(a, o, std::move(by_fd));
    };
    EXPECT_EQ(give(0x20000, 0x90000), 0);
    EXPECT_EQ(give(0x30000, 0xa0000), 0);
    EXPECT_EQ(give(0x20000, 0xb0000), 0) << "over the first, which is let go";
    EXPECT_EQ(machine.count("memory released"), 1u);
    EXPECT_EQ(give(0x40000, 0xc0000), 0);
    auto wrong = translated(0x50000, 2 * page, 0xd0000);
    wrong.memory = std::make_shared<FakeMemory>(machine, std::vector{phys(0xd0000, page)});
    EXPECT_EQ(grant(a, o, std::move(wrong)), EINVAL);
    EXPECT_EQ(machine.count("memory released"), 2u) << "what was refused is not kept";
    EXPECT_EQ(grant(a, o, 0x20000, 0x30000, Access::none), 0);
    EXPECT_EQ(machine.count("memory released"), 5u);
}

TEST_F(Bookkeeping, RegistersAreLookedForAlsoAmongGrantsOfALongTimeAgo) {
    const ClientId b = client(200);
    EXPECT_EQ(grant(a, o, 0xf0200000, 16), 0);
    EXPECT_EQ(grant(a, o, backwards(0x100000, 100)), 0);
    EXPECT_EQ(add(b, object(b), twin), EBUSY);
    EXPECT_EQ(grant(a, o, 0xf0200000, 16, Access::none), 0);
    EXPECT_EQ(add(b, object(b), twin), 0);
}

}  // namespace
}  // namespace smmu::containment::testing

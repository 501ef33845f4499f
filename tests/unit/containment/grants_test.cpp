// SPDX-License-Identifier: Apache-2.0
// Grants: what a call opens and closes, to the byte and in granules.
#include "containment/granting.hpp"

#include <tuple>

#include "tests/unit/containment/house.hpp"

namespace smmu::containment::testing {
namespace {

class Granting : public House {
public:
    Granting() : a(client(100)), o(object(a)) { EXPECT_EQ(add(a, o, alone), 0); }
    std::string at(std::uint64_t address) const { return may(unit0, 8, address); }
    ClientId a;
    ObjectId o;
};

TEST_F(Granting, OneByteOpensItsPage) {
    EXPECT_EQ(grant(a, o, 0x10ffc, 1), 0);
    EXPECT_EQ(at(0x10000), "rw");
    EXPECT_EQ(at(0x10fff), "rw");
    EXPECT_EQ(at(0xffff), "-");
    EXPECT_EQ(at(0x11000), "-");
    EXPECT_EQ(service->objects()[0].exposed_by_rounding, page - 1);
}

TEST_F(Granting, LastCallWinsPerByte) {
    EXPECT_EQ(grant(a, o, 0x10000, 3 * page), 0);
    EXPECT_EQ(grant(a, o, 0x11000, page, Access::read), 0);
    EXPECT_EQ(at(0x10000), "rw");
    EXPECT_EQ(at(0x11000), "r");
    EXPECT_EQ(at(0x12000), "rw");
    EXPECT_EQ(service->objects()[0].grants.size(), 3u);
}

TEST_F(Granting, LastPieceOfOneCallWins) {
    auto both_ways = translated(0x20000, page, 0x90000);
    both_ways.pieces.push_back({iova(0x20000, page), PhysAddr{0x91000}});
    EXPECT_EQ(grant(a, o, both_ways), 0);
    EXPECT_EQ(unit0->reach(StreamId{8}, Iova{0x20000})->physical, PhysAddr{0x91000});
}

TEST_F(Granting, PermissionsOfOneGranuleAreUnited) {
    EXPECT_EQ(grant(a, o, 0x10000, 16, Access::read), 0);
    EXPECT_EQ(at(0x10000), "r");
    EXPECT_EQ(grant(a, o, 0x10800, 16, Access::write), 0);
    EXPECT_EQ(at(0x10000), "rw");
    EXPECT_EQ(grant(a, o, 0x10800, 16, Access::none), 0);
    EXPECT_EQ(at(0x10000), "r");
    EXPECT_EQ(grant(a, o, 0x10000, 16, Access::none), 0);
    EXPECT_EQ(at(0x10000), "-");
}

TEST_F(Granting, RepeatingAnIdenticalGrantTouchesNothing) {
    EXPECT_EQ(grant(a, o, 0x10000, 3 * page), 0);
    const auto before = machine.events.size();
    EXPECT_EQ(grant(a, o, 0x10000, 3 * page), 0);
    EXPECT_EQ(grant(a, o, 0x11000, 5), 0);
    EXPECT_EQ(machine.events.size(), before);
}

TEST_F(Granting, RemovingOneOfTwoGrantsOfAPageLeavesItOpenForTheOther) {
    EXPECT_EQ(grant(a, o, 0x10000, 16), 0);
    EXPECT_EQ(grant(a, o, 0x10100, 16), 0);
    const auto before = machine.events.size();
    EXPECT_EQ(grant(a, o, 0x10000, 16, Access::none), 0);
    EXPECT_EQ(machine.events.size(), before)
        << "the page is open for the other grant: nothing to do";
    EXPECT_EQ(at(0x10000), "rw");
    EXPECT_EQ(grant(a, o, 0x10100, 16, Access::none), 0);
    EXPECT_EQ(at(0x10000), "-");
}

TEST_F(Granting, RemovalSkipsWhatIsNotThere) {
    EXPECT_EQ(grant(a, o, 0x10000, page), 0);
    EXPECT_EQ(grant(a, o, 0x8000, 0x100000, Access::none), 0);
    EXPECT_EQ(at(0x10000), "-");
    EXPECT_EQ(grant(a, o, 0x8000, 0x100000, Access::none), 0);
    EXPECT_EQ(grant(a, o, 0xffffffffffff0000, 0x10000, Access::none), 0);
}

TEST_F(Granting, TwoTargetsInOneGranuleAreRefusedAndNothingChanges) {
    EXPECT_EQ(grant(a, o, translated(0x20000, 16, 0x90000)), 0);
    EXPECT_EQ(grant(a, o, translated(0x20800, 16, 0x91800)), EINVAL);
    EXPECT_EQ(service->objects()[0].grants.size(), 1u);
    EXPECT_EQ(grant(a, o, translated(0x20800, 16, 0x90800)), 0);
}

TEST_F(Granting, AddressAndTargetMustAgreeModuloTheGranule) {
    EXPECT_EQ(grant(a, o, translated(0x20000, 16, 0x90010)), EINVAL);
    EXPECT_EQ(grant(a, o, translated(0x20010, 16, 0x90010)), 0);
}

TEST_F(Granting, JudgedOnTheResultOfTheWholeCall) {
    auto repaired =
        translated(0x20000, page, 0x90010);  // disagrees, but the next piece replaces it
    repaired.pieces.push_back({iova(0x20000, page), PhysAddr{0x90000}});
    EXPECT_EQ(grant(a, o, repaired), 0);
}

TEST_F(Granting, IdentityUnlessTranslated) {
    auto crooked = request(0x10000, page);
    crooked.pieces[0].physical = PhysAddr{0x20000};
    EXPECT_EQ(grant(a, o, crooked), EINVAL);
}

TEST_F(Granting, TranslatedNeedsAbilityTarget) {
    auto identity = somebody(7);
    identity.abilities.target = false;
    const ClientId plain = *service->connect(identity);
    const ObjectId p = object(plain);
    EXPECT_EQ(grant(plain, p, translated(0x20000, page, 0x90000)), EPERM);
    EXPECT_EQ(grant(plain, p, 0x20000, page), 0);
    EXPECT_FALSE(service->create_object(plain, true));
}

TEST_F(Granting, ProtectedMemoryIsRefusedAfterRounding) {
    EXPECT_EQ(grant(a, o, 0xfed90000, 1), EPERM);
    EXPECT_EQ(grant(a, o, translated(0x20000, page, 0xfed90000)), EPERM);
    EXPECT_EQ(grant(a, o, 0x51000, 16), EPERM) << "its page holds protected bytes at 0x51800";
    EXPECT_EQ(grant(a, o, 0xfee00000, 4), EPERM) << "never translated by this unit";
    EXPECT_EQ(service->objects()[0].grants.size(), 0u);
}

TEST_F(Granting, WidthsAreERANGE) {
    EXPECT_EQ(grant(a, o, std::uint64_t{1} << 39, page), ERANGE);
    EXPECT_EQ(grant(a, o, translated(0x20000, page, std::uint64_t{1} << 39)), ERANGE);
    EXPECT_EQ(grant(a, o, (std::uint64_t{1} << 39) - page, page), 0);
}

TEST_F(Granting, PhysicalWrapIsEINVAL) {
    EXPECT_EQ(grant(a, o, translated(0x20000, 2 * page, ~std::uint64_t{0} - page + 1)), EINVAL);
}

TEST_F(Granting, OneWrongPieceAndNothingOfTheCallIsDone) {
    auto mixed = request(0x10000, page);
    mixed.pieces.push_back({iova(0xfed90000, 1), PhysAddr{0xfed90000}});
    EXPECT_EQ(grant(a, o, mixed), EPERM);
    EXPECT_EQ(at(0x10000), "-");
    EXPECT_TRUE(service->objects()[0].grants.empty());
}

TEST_F(Granting, WhatARefusedCallWroteOverIsAsItWas) {
    const auto held = [&] {
        std::vector<std::tuple<IovaRange, PhysAddr, Access, bool>> grants;
        const auto objects = service->objects();
        for (const auto& grant : objects[0].grants)
            grants.emplace_back(grant.range, grant.physical, grant.access, grant.by_fd);
        return grants;
    };
    auto by_fd = translated(0x12000, page, 0x90000);
    by_fd.memory = std::make_shared<FakeMemory>(machine, std::vector{phys(0x90000, page)});
    EXPECT_EQ(grant(a, o, 0x10000, 4 * page), 0);
    EXPECT_EQ(grant(a, o, by_fd), 0);
    EXPECT_EQ(grant(a, o, 0x18010, 16, Access::read), 0);
    const auto before = held();
    ASSERT_EQ(before.size(), 4u);
    auto mixed = request(0x10800, 0x2800);                                  // as it is, and over memory of another
    mixed.pieces.push_back({iova(0x14000, 0x4010), PhysAddr{0x14000}});     // joins its neighbours
    mixed.pieces.push_back({iova(0xfed90000, 1), PhysAddr{0xfed90000}});    // protected
    EXPECT_EQ(grant(a, o, mixed), EPERM);
    EXPECT_EQ(held(), before);
    machine.only_removals_succeed = true;
    mixed.pieces.pop_back();
    EXPECT_EQ(grant(a, o, mixed), ENOMEM);
    EXPECT_EQ(held(), before);
    EXPECT_EQ(at(0x12000), "rw");
    EXPECT_EQ(at(0x14000), "-");
}

TEST_F(Granting, WriteOnlyIsWidenedWhereTheUnitCannotSayItAndRefusedByPolicy) {
    unit0->capabilities_.write_implies_read = true;
    EXPECT_EQ(grant(a, o, 0x10000, page, Access::write), 0);
    EXPECT_EQ(at(0x10000), "rw");
    build(small_machine(), {.widen_allowed = false});
    unit0->capabilities_.write_implies_read = true;
    const ClientId b = client(2);
    const ObjectId p = object(b);
    EXPECT_EQ(add(b, p, alone), 0);
    EXPECT_EQ(grant(b, p, 0x10000, page, Access::write), EPERM);
    EXPECT_EQ(grant(b, p, 0x10000, page), 0);
}

TEST_F(Granting, LackOfTablesAtAnyPointChangesNothing) {
    const ObjectId p = object(a);
    EXPECT_EQ(add(a, p, both), 0);
    for (int n = 1; n <= 2; ++n) {
        machine.fail_nth = n;
        EXPECT_EQ(grant(a, p, 0x40000, 0x10000), ENOMEM) << n;
        EXPECT_EQ(machine.plans, 0);
        EXPECT_EQ(may(unit0, 100, 0x40000), "-");
        EXPECT_EQ(may(unit1, 2, 0x40000), "-");
    }
    machine.fail_nth = 0;
    EXPECT_EQ(grant(a, p, 0x40000, 0x10000), 0);
    EXPECT_EQ(may(unit1, 2, 0x40000), "rw");
}

TEST_F(Granting, RemovalNeverFailsForLackOfTables) {
    EXPECT_EQ(grant(a, o, 0x10000, 16, Access::read), 0);
    EXPECT_EQ(grant(a, o, 0x10800, 16, Access::write), 0);
    machine.only_removals_succeed = true;
    EXPECT_EQ(grant(a, o, 0x10800, 16, Access::none), 0);
    EXPECT_EQ(at(0x10000), "-") << "closed rather than left too open";
    machine.only_removals_succeed = false;
    service->tick();
    EXPECT_EQ(at(0x10000), "r") << "open again when there are tables";
}

TEST_F(Granting, RemovalIsEIOWhenTheUnitDoesNotConfirmAndMemoryIsKept) {
    auto by_fd = translated(0x20000, page, 0x90000);
    by_fd.memory = std::make_shared<FakeMemory>(machine, std::vector{phys(0x90000, page)});
    EXPECT_EQ(grant(a, o, by_fd), 0);
    by_fd.memory.reset();
    unit0->dies_after = 1;
    EXPECT_EQ(grant(a, o, 0x20000, page, Access::none), EIO);
    EXPECT_EQ(machine.count("memory released"), 0u);
    EXPECT_EQ(destroy(a, o), EIO);
    EXPECT_EQ(machine.count("memory released"), 0u);
}

TEST_F(Granting, MemoryOfARemovalThatIsNotConfirmedIsKeptWhenItsOwnerEnds) {
    auto by_fd = translated(0x20000, page, 0x90000);
    by_fd.memory = std::make_shared<FakeMemory>(machine, std::vector{phys(0x90000, page)});
    EXPECT_EQ(grant(a, o, by_fd), 0);
    by_fd.memory.reset();
    unit0->dies_after = 1;
    (void)service->change_grants(a, o, request(0x20000, page, Access::none));  // nobody waits for it
    service->disconnect(a);
    EXPECT_EQ(machine.count("memory released"), 0u);
}

TEST_F(Granting, WhatIsTakenAwayIsGoneOnAllUnitsBeforeAnythingIsAdded) {
    const ObjectId p = object(a);
    EXPECT_EQ(add(a, p, both), 0);
    EXPECT_EQ(grant(a, p, 0x100000, 0x20000), 0);
    auto moved = translated(0x100000, 0x20000, 0x200000);
    machine.events.clear();
    auto operation = service->change_grants(a, p, moved);
    ASSERT_TRUE(operation);
    EXPECT_EQ(may(unit0, 100, 0x100000), "-") << "before anybody else asks anything";
    EXPECT_EQ(may(unit1, 2, 0x100000), "-");
    EXPECT_EQ(machine.count("flush"), 2u);
    EXPECT_EQ(machine.count("fill"), 0u);
    EXPECT_EQ(run(std::move(operation)), 0);
    EXPECT_EQ(may(unit1, 2, 0x100000), "rw");
}

TEST_F(Granting, RegistersThatWereGrantedToAnotherAreOutOfReachWhenTheirDeviceIsClaimed) {
    const ClientId b = client(200);
    EXPECT_EQ(grant(a, o, 0xf0200000, page), 0);
    auto pending = service->change_grants(a, o, request(0xf0200000, page, Access::none));
    EXPECT_EQ(add(b, object(b), twin), 0);
    EXPECT_EQ(at(0xf0200000), "-");
}

TEST_F(Granting, ManyStarvedRangesAreOpenedAgainToo) {
    const std::size_t many = Reopening::most_ranges + 3;
    auto twice = request(0x10000000, 16, Access::read);
    twice.pieces.clear();
    auto half = twice;
    for (std::uint64_t i = 0; i < many; ++i) {
        const std::uint64_t address = 0x10000000 + i * 2 * page;
        twice.pieces.push_back({iova(address, 16), PhysAddr{address}});
        half.pieces.push_back({iova(address + 16, 16), PhysAddr{address + 16}});
    }
    EXPECT_EQ(grant(a, o, twice), 0);
    half.access = Access::write;
    EXPECT_EQ(grant(a, o, half), 0);
    machine.only_removals_succeed = true;
    half.access = Access::none;
    EXPECT_EQ(grant(a, o, half), 0);
    EXPECT_EQ(at(0x10000000), "-");
    machine.only_removals_succeed = false;
    service->tick();
    for (std::uint64_t i = 0; i < Reopening::most_ranges; ++i) ASSERT_EQ(at(0x10000000 + i * 2 * page), "r") << i;
    EXPECT_EQ(at(0x10000000 + (many - 1) * 2 * page), "-") << "others are waiting";
    service->tick();
    for (std::uint64_t i = 0; i < many; ++i) ASSERT_EQ(at(0x10000000 + i * 2 * page), "r") << i;
    const auto events = machine.events.size();
    service->tick();
    EXPECT_EQ(machine.events.size(), events) << "nothing is left to open";
}

TEST_F(Granting, MemoryByFdIsLetGoOnlyAfterTheFlush) {
    auto by_fd = translated(0x20000, 2 * page, 0x90000);
    by_fd.memory = std::make_shared<FakeMemory>(
        machine, std::vector{phys(0x90000, page), phys(0x91000, page)});
    EXPECT_EQ(grant(a, o, by_fd), 0);
    by_fd.memory.reset();
    EXPECT_TRUE(service->objects()[0].grants[0].by_fd);
    EXPECT_EQ(grant(a, o, 0x20000, page, Access::none), 0);
    EXPECT_EQ(machine.count("memory released"), 0u) << "its second page is still granted";
    EXPECT_EQ(grant(a, o, 0x21000, page, Access::none), 0);
    EXPECT_EQ(machine.count("memory released"), 1u);
    EXPECT_GT(machine.position("memory released"), machine.position("flush"));
}

TEST_F(Granting, MemoryByFdMustCoverItsGranules) {
    auto by_fd = translated(0x20800, 0x100, 0x90800);
    by_fd.memory = std::make_shared<FakeMemory>(machine, std::vector{phys(0x90800, 0x100)});
    EXPECT_EQ(grant(a, o, by_fd), EINVAL);
}

TEST_F(Granting, LimitsNameBytesAfterRoundingButNotMemoryByFd) {
    auto identity = somebody(7);
    identity.unlimited = false;
    identity.limits = {
        {topology::PciAddress{0, 0, 2, 0}, Limit::Memory{phys(0x10000, 0x1800), read_write}},
        {topology::PciAddress{0, 0, 2, 1}, Limit::Memory{phys(0x20000, 0x1000), Access::read}}};
    const ClientId c = *service->connect(identity);
    const ObjectId p = object(c);
    EXPECT_EQ(add(c, p, coarse), EPERM);
    EXPECT_EQ(add(c, p, twin), 0);
    EXPECT_EQ(grant(c, p, 0x10000, page), 0);
    EXPECT_EQ(grant(c, p, 0x11000, 0x100), EPERM)
        << "the granule ends at 0x12000, the limit at 0x11800";
    EXPECT_EQ(grant(c, p, 0x20000, page), EPERM);
    EXPECT_EQ(grant(c, p, 0x20000, page, Access::read), 0);
    auto by_fd = translated(0x30000, page, 0x90000);
    by_fd.memory = std::make_shared<FakeMemory>(machine, std::vector{phys(0x90000, page)});
    EXPECT_EQ(grant(c, p, by_fd), 0);
}

TEST_F(Granting, QuotasArePerUser) {
    build(small_machine(), {.objects_per_user = 2,
                            .grants_per_user = 3,
                            .table_frames_per_user = 1,
                            .connections_per_user = 2});
    const ClientId x = client(1), y = client(2);
    EXPECT_EQ(service->connect(somebody(3)).error().code, EDQUOT);
    EXPECT_TRUE(service->connect(somebody(3, 1001)));
    const ObjectId p = object(x), q = object(y);
    EXPECT_EQ(service->create_object(x, false).error().code, EDQUOT);
    EXPECT_EQ(grant(x, p, 0x10000, 16), 0);
    EXPECT_EQ(grant(x, p, 0x20000, 16), 0);
    EXPECT_EQ(grant(y, q, 0x30000, 16), 0);
    EXPECT_EQ(grant(y, q, 0x50000, 16), EDQUOT);
    EXPECT_EQ(grant(x, p, 0x10000, 16, Access::none), 0);
    EXPECT_EQ(grant(y, q, 0x50000, 16), 0);
    EXPECT_EQ(add(x, p, alone), 0);
    EXPECT_EQ(add(y, q, twin), EDQUOT) << "table frames";
    EXPECT_EQ(destroy(x, p), 0);
    EXPECT_EQ(add(y, q, twin), 0);
    EXPECT_TRUE(service->create_object(x, false));
}

TEST_F(Granting, ALargeGrantIsOpenedInSteps) {
    auto many = request(0x100000, 16);
    for (std::uint64_t i = 1; i < 8; ++i)
        many.pieces.push_back({iova(0x100000 + i * 0x10000, 16), PhysAddr{0x100000 + i * 0x10000}});
    auto operation = service->change_grants(a, o, many);
    ASSERT_TRUE(operation);
    int steps = 1;
    for (units::Budget budget{2}; (*operation)->step(budget) == units::Progress::more;
         budget.tables = 2)
        ++steps;
    EXPECT_GE(steps, 4);
    EXPECT_TRUE((*operation)->result());
    EXPECT_EQ(at(0x170000), "rw");
}

TEST_F(Granting, ADroppedOperationIsFinishedByTheNextCallOnItsObject) {
    machine.always_plans = true;
    {
        auto dropped = service->change_grants(a, o, request(0x10000, page));
    }
    EXPECT_EQ(at(0x10000), "-");
    EXPECT_EQ(grant(a, o, 0x20000, page), 0);
    EXPECT_EQ(at(0x10000), "rw");
}

TEST_F(Granting, WhatNeedsNoPlanIsCarriedOutWhenItIsAsked) {
    machine.changes = 0;
    auto operation = service->change_grants(a, o, request(0x10000, page));
    ASSERT_TRUE(operation);
    EXPECT_EQ(at(0x10000), "rw");
    EXPECT_EQ(machine.plans, 0);
    units::Budget budget;
    EXPECT_EQ((*operation)->step(budget), units::Progress::done);
    EXPECT_TRUE((*operation)->result());
    // A unit that does not confirm: the answer is EIO, and the removal stays.
    machine.changes = 0;
    unit0->dies_after = 1;
    EXPECT_EQ(grant(a, o, 0x10000, page, Access::none), EIO);
    EXPECT_EQ(grant(a, o, 0x30000, page), EIO) << "nothing of this object is sure any more";
}

TEST_F(Granting, WhoseAnObjectIsCanBeAskedBefore) {
    EXPECT_TRUE(service->check_owner(a, o));
    EXPECT_EQ(service->check_owner(client(101), o).error().code, EINVAL);
    EXPECT_EQ(service->check_owner(a, ObjectId{99}).error().code, EINVAL);
}

TEST_F(Granting, AnOperationOutlivesItsSession) {
    machine.always_plans = true;
    auto operation = service->change_grants(a, o, request(0x10000, page));
    ASSERT_TRUE(operation);
    service->disconnect(a);
    EXPECT_EQ(machine.plans, 0);
    units::Budget budget;
    EXPECT_EQ((*operation)->step(budget), units::Progress::done);
    EXPECT_EQ((*operation)->result().error().code, ECANCELED);
    service.reset();
    EXPECT_EQ((*operation)->step(budget), units::Progress::done);
}

}  // namespace
}  // namespace smmu::containment::testing

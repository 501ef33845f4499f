// SPDX-License-Identifier: Apache-2.0
// Devices: who may have them, how groups move, what startup, reserved and doorbell grants do.
#include "tests/unit/containment/house.hpp"

namespace smmu::containment::testing {
namespace {

class Devices : public House {
public:
    Devices() : a(client(100)), b(client(200)), o(object(a)), p(object(b)) {}
    ClientId a, b;
    ObjectId o, p;
};

TEST_F(Devices, EveryKnownStreamIsAssignedAtTakeOver) {
    EXPECT_EQ(unit0->streams.size(), 8u);
    EXPECT_EQ(unit1->streams.size(), 2u);
    EXPECT_EQ(may(unit0, 8, 0x50000), "-");
    EXPECT_EQ(may(unit0, 24, 0x50000), "rw");
    EXPECT_EQ(may(unit0, 25, 0x60000), "rw");
    EXPECT_EQ(may(unit0, 24, 0x70040), "-") << "a doorbell is for attached devices";
    EXPECT_EQ(may(unit0, 24, 0x68000), "-") << "not honoured";
    EXPECT_EQ(may(unit0, 24, 0x51000), "-") << "its granule holds protected bytes";
    EXPECT_EQ(may(unit0, 32, 0x51000), "-");
    EXPECT_EQ(may(unit0, 32, 0x52000), "rw");
}

TEST_F(Devices, ExistingGrantsApplyAtOnce) {
    EXPECT_EQ(grant(a, o, 0x10000, page), 0);
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(may(unit0, 8, 0x10000), "rw");
}

TEST_F(Devices, ForeignDeviceIsEBUSYAndTheTextNamesTheOwner) {
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(add(b, p, alone), EBUSY);
    const std::string said = text(service->add_device(b, p, alone));
    EXPECT_NE(said.find("pid 100 (driver100), object 1"), std::string::npos) << said;
}

TEST_F(Devices, UnknownOrBehindNoUnitIsENOENT) {
    EXPECT_EQ(add(a, o, PciQuery{0, 9, 9, 0}), ENOENT);
    EXPECT_EQ(add(a, o, stray), ENOENT);
    EXPECT_EQ(add(a, o, MmioQuery{PhysAddr{0xc00000}, 0x1000}), ENOENT);
    EXPECT_EQ(remove(a, alone), ENOENT);
    EXPECT_EQ(add(b, p, alone), 0);
    EXPECT_EQ(remove(a, alone), ENOENT);
    EXPECT_EQ(add(a, ObjectId{77}, alone), EINVAL);
    EXPECT_EQ(add(a, p, alone), EINVAL) << "somebody else's object";
}

TEST_F(Devices, HostDevicesCannotBeOwned) {
    EXPECT_EQ(add(a, o, hosted), EBUSY);
    EXPECT_NE(text(service->add_device(a, o, hosted)).find("driven by the host's kernel"),
              std::string::npos);
    EXPECT_EQ(service->view(DeviceIndex{4}).state, Containment::DeviceView::State::host);
}

TEST_F(Devices, AGroupIsAttachedAsAWhole) {
    EXPECT_EQ(grant(a, o, 0x10000, page), 0);
    EXPECT_EQ(add(a, o, other_twin), 0);
    EXPECT_EQ(may(unit0, 16, 0x10000), "rw") << "the other member's stream";
    EXPECT_EQ(may(unit0, 17, 0x10000), "rw");
    EXPECT_EQ(add(b, p, twin), EBUSY) << "its twin is in another object";
    const ObjectId second = object(a);
    EXPECT_EQ(add(a, second, twin), EBUSY) << "also among own objects";
    EXPECT_EQ(add(a, o, twin), 0);
    EXPECT_EQ(remove(a, other_twin), 0);
    EXPECT_EQ(may(unit0, 16, 0x10000), "rw") << "one member is still in the object";
    EXPECT_EQ(remove(a, twin), 0);
    EXPECT_EQ(may(unit0, 16, 0x10000), "-");
    EXPECT_EQ(may(unit0, 17, 0x10000), "-");
}

TEST_F(Devices, AllStreamsAreBlockedBeforeTheFirstOpens) {
    const ObjectId second = object(a);
    EXPECT_EQ(add(a, o, twin), 0);
    machine.events.clear();
    EXPECT_EQ(add(a, second, twin), 0);
    const auto opened = machine.position("attach");
    EXPECT_LT(machine.position("block 0:16"), opened);
    EXPECT_LT(machine.position("block 0:17"), opened);
    EXPECT_LT(opened, machine.events.size());
}

TEST_F(Devices, MovesGoOldThenStartupThenNew) {
    const ObjectId second = object(a);
    EXPECT_EQ(grant(a, o, 0x10000, page), 0);
    EXPECT_EQ(grant(a, second, 0x20000, page), 0);
    EXPECT_EQ(add(a, o, starter), 0);
    EXPECT_EQ(may(unit0, 24, 0x10000), "rw");
    EXPECT_EQ(may(unit0, 24, 0x50000), "rw");
    machine.on_store = [&] {
        EXPECT_EQ(may(unit0, 24, 0x50000), "rw") << "startup DMA is never refused";
    };
    EXPECT_EQ(add(a, second, starter), 0);
    machine.on_store = nullptr;
    EXPECT_EQ(may(unit0, 24, 0x10000), "-");
    EXPECT_EQ(may(unit0, 24, 0x20000), "rw");
    EXPECT_EQ(remove(a, starter), 0);
    EXPECT_EQ(may(unit0, 24, 0x20000), "-");
    EXPECT_EQ(may(unit0, 24, 0x50000), "rw");
}

TEST_F(Devices, GroupsWithoutExtrasShareOneSpaceAndOthersHaveTheirOwn) {
    const int before = machine.spaces;
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(add(a, o, twin), 0);
    EXPECT_EQ(machine.spaces, before + 1);
    EXPECT_EQ(add(a, o, starter), 0);
    EXPECT_EQ(machine.spaces, before + 2);
    EXPECT_EQ(may(unit0, 8, 0x50000), "-") << "startup memory is the starter's alone";
    EXPECT_EQ(destroy(a, o), 0);
    EXPECT_EQ(machine.spaces, before);
}

TEST_F(Devices, GrantsMeetingStartupRangesKeepTheirAddressAndAddPermissions) {
    EXPECT_EQ(add(a, o, starter), 0);
    EXPECT_EQ(grant(a, o, translated(0x60000, page, 0x90000)), EINVAL);
    EXPECT_EQ(grant(a, o, translated(0x70000, page, 0x90000)), EINVAL) << "the doorbell's";
    EXPECT_EQ(grant(a, o, 0x70000, page, Access::read), 0);
    EXPECT_EQ(may(unit0, 24, 0x70000), "rw");
    EXPECT_EQ(grant(a, o, 0x70000, page, Access::none), 0);
    EXPECT_EQ(may(unit0, 24, 0x70000), "w");
}

TEST_F(Devices, ADoorbellIsOpenWhileTheDeviceIsAttached) {
    EXPECT_EQ(add(a, o, starter), 0);
    EXPECT_EQ(may(unit0, 24, 0x70040), "w");
    EXPECT_EQ(may(unit0, 8, 0x70040), "-");
    EXPECT_EQ(remove(a, starter), 0);
    EXPECT_EQ(may(unit0, 24, 0x70040), "-");
}

TEST_F(Devices, AddingADeviceWhoseStartupRangeIsTranslatedElsewhereIsEINVAL) {
    EXPECT_EQ(grant(a, o, translated(0x60000, page, 0x90000)), 0);
    const int spaces = machine.spaces;
    EXPECT_EQ(add(a, o, starter), EINVAL);
    EXPECT_EQ(machine.spaces, spaces);
    EXPECT_FALSE(service->view(DeviceIndex{3}).object.has_value());
    EXPECT_EQ(add(a, o, alone), 0);
}

TEST_F(Devices, ReservedManualLeavesReservedRegionsToTheClient) {
    const ObjectId manual = object(a, true);
    EXPECT_EQ(add(a, manual, starter), 0);
    EXPECT_EQ(may(unit0, 24, 0x60000), "-");
    EXPECT_EQ(may(unit0, 24, 0x50000), "rw");
    EXPECT_EQ(grant(a, manual, translated(0x60000, page, 0x90000)), 0);
    const auto reserved = service->reserved(starter);
    ASSERT_TRUE(reserved);
    ASSERT_EQ(reserved->size(), 1u);
    EXPECT_EQ(reserved->front().range, phys(0x60000, 0x1000));
    EXPECT_EQ(service->reserved(PciQuery{0, 9, 9, 0}).error().code, ENOENT);
}

TEST_F(Devices, RegistersOfDevicesOfOthersAreProtected) {
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(grant(b, p, 0xf0100000, 4), EPERM);
    EXPECT_EQ(grant(a, o, 0xf0100000, 4), 0) << "one's own";
    EXPECT_EQ(grant(b, p, 0xf0400000, 4), EPERM) << "the host's";
    EXPECT_EQ(destroy(a, o), 0);
    EXPECT_EQ(grant(b, p, 0xf0100000, 4), 0);
    EXPECT_EQ(add(a, object(a), alone), EBUSY) << "another object's grant covers its registers";
    EXPECT_EQ(grant(b, p, 0xf0100000, 4, Access::none), 0);
    EXPECT_EQ(add(a, object(a), alone), 0);
}

TEST_F(Devices, RegistersThatStartupMappingsOpenToOthersAreEBUSY) {
    auto topology = small_machine();
    topology.devices[3].grants.push_back(
        {topology::Grant::Kind::startup, phys(0xf0100000, 0x1000), read_write, true, {}});
    build(topology);
    const ClientId c = client(1);
    EXPECT_EQ(add(c, object(c), alone), EBUSY);
}

TEST_F(Devices, WildcardsAreAllOrNothingAndSkipHostStartupAndBridges) {
    PciQuery twins{0, 0, 2, std::nullopt};
    EXPECT_EQ(add(a, o, twins), 0);
    EXPECT_EQ(service->objects()[0].devices.size(), 2u);
    EXPECT_EQ(remove(a, twins), 0);
    EXPECT_EQ(add(b, p, twin), 0);
    EXPECT_EQ(add(a, o, twins), EBUSY);
    EXPECT_TRUE(service->objects()[0].devices.empty());
    EXPECT_EQ(remove(b, twin), 0);
    EXPECT_EQ(add(a, o, PciQuery{0, 0, 4, std::nullopt}), ENOENT) << "the host's is no match";
    EXPECT_EQ(add(a, o, PciQuery{0, 0, 3, std::nullopt}), ENOENT)
        << "startup mappings are no match";
    EXPECT_EQ(add(a, o, PciQuery{0, 0, 6, std::nullopt}), ENOENT) << "nor a bridge";
    auto topology = small_machine();
    topology.devices[5].streams = {{UnitId{0}, StreamId{40}, {}}};
    build(topology);
    const ClientId c = client(1);
    const ObjectId all = object(c);
    EXPECT_EQ(add(c, all, PciQuery{0, std::nullopt, std::nullopt, std::nullopt}), 0);
    EXPECT_EQ(service->objects()[0].devices.size(), 4u);
}

TEST_F(Devices, MmioMatchRule) {
    auto topology = small_machine();
    topology.devices[7].id = topology::MmioBlock{PhysAddr{0xa00000}, 0x4000};
    topology.devices[8].id = topology::MmioBlock{PhysAddr{0xa01000}, 0x1000};
    build(topology);
    const ClientId c = client(1);
    const ObjectId q = object(c);
    const auto devices = [&] { return service->objects()[0].devices; };
    EXPECT_EQ(add(c, q, MmioQuery{PhysAddr{0xa00000}, 0x10000}), 0);
    EXPECT_EQ(devices(), std::vector{DeviceIndex{7}}) << "the exact address alone";
    EXPECT_EQ(remove(c, MmioQuery{PhysAddr{0xa00000}, 0}), 0);
    EXPECT_EQ(add(c, q, MmioQuery{PhysAddr{0x9ff000}, 0x10000}), 0);
    EXPECT_EQ(devices().size(), 2u) << "all that start inside";
    EXPECT_EQ(remove(c, MmioQuery{PhysAddr{0x9ff000}, 0x10000}), 0);
    EXPECT_EQ(add(c, q, MmioQuery{PhysAddr{0xa03000}, 0x10}), 0);
    EXPECT_EQ(devices(), std::vector{DeviceIndex{7}}) << "the one whose range contains it";
    EXPECT_EQ(add(c, q, MmioQuery{PhysAddr{0x9ff000}, 0}), ENOENT);
}

TEST_F(Devices, TheGranuleOfAnObjectIsTheLargestOfItsUnits) {
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(grant(a, o, 0x10000, 1), 0);
    EXPECT_EQ(may(unit0, 8, 0x11000), "-");
    EXPECT_EQ(add(a, o, coarse), 0);
    EXPECT_EQ(may(unit0, 8, 0x11000), "rw") << "all devices of an object reach the same";
    EXPECT_EQ(may(unit1, 1, 0x1f000), "rw");
    EXPECT_EQ(may(unit1, 1, 0x20000), "-");
    EXPECT_EQ(grant(a, o, 0x10000, 1, Access::none), 0);
    EXPECT_EQ(may(unit0, 8, 0x11000), "-");
}

TEST_F(Devices, ACoarserUnitJudgesExistingGrantsAnew) {
    EXPECT_EQ(add(a, o, alone), 0);
    EXPECT_EQ(grant(a, o, translated(0x11000, page, 0x90000)), 0);
    const auto events = machine.events.size();
    EXPECT_EQ(add(a, o, coarse), EINVAL) << "0x11000 and 0x90000 differ modulo 64 KiB";
    EXPECT_EQ(may(unit0, 8, 0x11000), "rw");
    EXPECT_EQ(may(unit0, 8, 0x12000), "-");
    EXPECT_LE(machine.events.size(), events + 1)
        << "nothing but the end of a space that was never used";
    EXPECT_EQ(grant(a, o, 0x30000, page), 0);
    EXPECT_EQ(may(unit0, 8, 0x31000), "-") << "the granule is as it was";
}

// Behind a unit of 64 KiB granules a page alone cannot be opened: what else its granule would open, or lead to, decides.
TEST_F(Devices, ACoarseUnitRefusesAPageWhoseGranuleMustNotOpen) {
    EXPECT_EQ(add(a, o, coarse), 0);
    const auto crooked = text(service->change_grants(a, o, translated(0x11000, page, 0x92000)));
    EXPECT_NE(crooked.find("differ within a granule of 65536 bytes; align them alike"), std::string::npos) << crooked;
    EXPECT_EQ(grant(a, o, translated(0x11000, page, 0x92000)), EINVAL);
    EXPECT_EQ(grant(a, o, 0x53000, page), EPERM) << "table memory is in the same 64 KiB";
    auto by_fd = translated(0x30000, page, 0x90000);
    by_fd.memory = std::make_shared<FakeMemory>(machine, std::vector{phys(0x90000, page)});
    EXPECT_EQ(grant(a, o, by_fd), EINVAL) << "the rest of the granule is somebody else's memory";
    for (const std::uint64_t address : {0x11000u, 0x30000u, 0x53000u}) EXPECT_EQ(may(unit1, 1, address), "-");

    EXPECT_EQ(grant(a, o, translated(0x11000, page, 0xa1000)), 0);
    EXPECT_EQ(may(unit1, 1, 0x10000), "rw") << "the granule is open as a whole";
    EXPECT_EQ(service->objects()[0].exposed_by_rounding, 64 * KiB - page);
}

TEST_F(Devices, LackOfTablesWhileAddingChangesNothing) {
    EXPECT_EQ(grant(a, o, 0x10000, page), 0);
    const int spaces = machine.spaces;
    for (int n = 1; n <= 4; ++n) {
        machine.fail_nth = n;
        EXPECT_EQ(add(a, o, both), ENOMEM) << n;
        EXPECT_EQ(machine.spaces, spaces);
        EXPECT_EQ(machine.plans, 0);
        EXPECT_FALSE(service->view(DeviceIndex{8}).object.has_value());
    }
    EXPECT_EQ(add(a, o, both), 0);
    EXPECT_EQ(may(unit1, 2, 0x10000), "rw");
}

TEST_F(Devices, BlockedByConfigurationCannotBeClaimed) {
    auto topology = small_machine();
    topology.devices[2].blocked = true;
    build(topology);
    const ClientId c = client(1);
    const ObjectId q = object(c);
    EXPECT_EQ(add(c, q, other_twin), EPERM);
    EXPECT_NE(text(service->add_device(c, q, other_twin)).find("configuration says blocked"),
              std::string::npos);
    EXPECT_EQ(add(c, q, twin), EPERM) << "they cannot be told apart";
    EXPECT_EQ(add(c, q, PciQuery{0, 0, 2, std::nullopt}), ENOENT) << "a wildcard leaves both out";
    EXPECT_EQ(add(c, q, alone), 0);
}

TEST_F(Devices, AWildcardMovesAWholeGroupBetweenObjectsOfOneClient) {
    const PciQuery twins{0, 0, 2, std::nullopt};
    const ObjectId second = object(a);
    EXPECT_EQ(grant(a, second, 0x20000, page), 0);
    EXPECT_EQ(add(a, o, twins), 0);
    EXPECT_EQ(add(a, second, twins), 0);
    EXPECT_EQ(may(unit0, 16, 0x20000), "rw");
    EXPECT_EQ(add(b, p, twins), EBUSY);
}

TEST_F(Devices, WhetherThereAreObjects) {
    EXPECT_TRUE(service->has_objects());
    service->disconnect(a);
    service->disconnect(b);
    EXPECT_FALSE(service->has_objects());
}

TEST_F(Devices, LimitsNameDevices) {
    auto identity = somebody(7);
    identity.unlimited = false;
    const ClientId nobody = *service->connect(identity);
    EXPECT_EQ(add(nobody, object(nobody), alone), EPERM);
    identity.limits = {{topology::PciAddress{0, 0, 1, 0}, std::nullopt}};
    const ClientId named = *service->connect(identity);
    EXPECT_EQ(add(named, object(named), twin), EPERM);
    EXPECT_EQ(add(named, object(named), alone), 0);
    identity.limits = {{topology::PciAddress{0, 0, 2, 0}, std::nullopt}};
    const ClientId half = *service->connect(identity);
    const std::string said = text(service->add_device(half, object(half), twin));
    EXPECT_TRUE(said.starts_with("0000:00:02.1 is not named")) << said;
    identity.limits.push_back({topology::PciAddress{0, 0, 2, 1}, std::nullopt});
    const ClientId whole = *service->connect(identity);
    EXPECT_EQ(add(whole, object(whole), twin), 0);
}

TEST_F(Devices, ConnectNeedsAnAbility) {
    Identity identity = somebody(7);
    identity.abilities = {};
    EXPECT_EQ(service->connect(identity).error().code, EPERM);
    identity.abilities.monitor = true;
    const auto monitor = service->connect(identity);
    ASSERT_TRUE(monitor);
    EXPECT_EQ(service->create_object(*monitor, false).error().code, EPERM);
    EXPECT_EQ(service->create_object(ClientId{99}, false).error().code, ENOTCONN);
}

TEST_F(Devices, AUnitThatCannotBeTakenOverOrIsNotProgrammedIsSaid) {
    FakeMachine other;
    std::vector<DrivenUnit> drivers(2);
    auto* failing = new FakeUnit(other, 0, 12);
    failing->fail_take_over = true;
    drivers[0].driver.reset(failing);
    Containment fresh(small_machine(), std::move(drivers), control, clock, {});
    const auto results = fresh.take_over();
    EXPECT_EQ(results[0].error().code, EIO);
    EXPECT_EQ(results[1].error().code, ENODEV);
    EXPECT_EQ(fresh.unit(UnitId{1}), nullptr);
    const ClientId c = *fresh.connect(somebody(1));
    const ObjectId q = *fresh.create_object(c, false);
    EXPECT_EQ(run(fresh.add_device(c, q, coarse)), ENOENT);
    EXPECT_EQ(run(fresh.add_device(c, q, alone)), EIO);
}

}  // namespace
}  // namespace smmu::containment::testing

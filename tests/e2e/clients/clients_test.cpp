// SPDX-License-Identifier: Apache-2.0
// Several clients and several objects: who owns what, and what a refusal says.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/e2e/machine_room.hpp"

namespace smmu::test {
namespace {

using testing::HasSubstr;

class Clients : public SharedRoom<Clients> {
protected:
    static const report::Device* device(const report::Status& status, const std::string& id) {
        const auto at = std::ranges::find(status.devices, id, &report::Device::id);
        return at == status.devices.end() ? nullptr : &*at;
    }
};

TEST_F(Clients, ADeviceHasOneOwnerAndTheRefusalNamesPidCommandAndObject) {
    ClientProcess first = room().driver(), second = room().driver();
    ASSERT_TRUE(first.run([] { return long{prctl(PR_SET_NAME, "first-driver")}; }).done());
    // The name that counts is the one at connecting.
    ASSERT_TRUE(first.fini().done());
    ASSERT_TRUE(first.init().done());
    const Object owned = first.own(q35::edu_a);
    ASSERT_NE(owned, nullptr);
    ASSERT_TRUE(first.map(owned, memory_base, page).done());
    const Object object = second.create();
    const Answer refused = second.add(object, q35::edu_a);
    EXPECT_TRUE(refused.failed_with(EBUSY));
    EXPECT_THAT(refused.text, HasSubstr(fmt::format("{}", first.pid())));
    EXPECT_THAT(refused.text, HasSubstr("first-driver"));
    const auto objects = room().status().objects;
    const auto at =
        std::ranges::find_if(objects, [&](const report::Object& o) { return !o.devices.empty(); });
    ASSERT_NE(at, objects.end());
    EXPECT_THAT(refused.text, HasSubstr(fmt::format("object {}", at->id)));
    EXPECT_TRUE(room().writes(room().a(), memory_base)) << "the owner notices nothing";
    EXPECT_TRUE(second.remove(q35::edu_a).failed_with(ENOENT)) << "nor can it be taken away";
    EXPECT_TRUE(room().writes(room().a(), memory_base));
}

TEST_F(Clients, TwoObjectsOfOneClientReachTheirOwnGrantsOnly) {
    ClientProcess driver = room().driver();
    const Object a = driver.own(q35::edu_a), b = driver.own(q35::edu_b);
    ASSERT_TRUE(driver.map(a, memory_base, page).done());
    ASSERT_TRUE(driver.map(b, memory_base + page, page).done());
    EXPECT_TRUE(room().writes(room().a(), memory_base));
    EXPECT_FALSE(room().writes(room().a(), memory_base + page));
    EXPECT_TRUE(room().writes(room().b(), memory_base + page));
    EXPECT_FALSE(room().writes(room().b(), memory_base));
}

TEST_F(Clients, ADeviceMovesBetweenObjectsOfItsOwner) {
    ClientProcess driver = room().driver();
    const Object from = driver.own(q35::edu_a), to = driver.create();
    ASSERT_TRUE(driver.map(from, memory_base, page).done());
    ASSERT_TRUE(driver.map(to, memory_base + page, page).done());
    ASSERT_TRUE(room().writes(room().a(), memory_base));
    EXPECT_EQ(driver.add(to, q35::edu_a).value, 0);
    EXPECT_FALSE(room().writes(room().a(), memory_base));
    EXPECT_TRUE(room().writes(room().a(), memory_base + page));
    EXPECT_TRUE(driver.destroy(from).done()) << "the object it left";
    EXPECT_TRUE(room().writes(room().a(), memory_base + page));
}

TEST_F(Clients, ARemovedDeviceReachesNothingAndItsObjectLivesOn) {
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_TRUE(driver.add(object, q35::edu_b).done());
    ASSERT_TRUE(driver.map(object, memory_base, page).done());
    EXPECT_TRUE(driver.remove(q35::edu_a).done());
    EXPECT_FALSE(room().writes(room().a(), memory_base));
    EXPECT_TRUE(room().writes(room().b(), memory_base));
    EXPECT_TRUE(driver.remove(q35::edu_a).failed_with(ENOENT)) << "it is not attached any more";
    ClientProcess other = room().driver();
    EXPECT_NE(other.own(q35::edu_a), nullptr);
}

TEST_F(Clients, DevicesBehindAPciBridgeAreOneGroupAndWorkUnderTheirAlias) {
    const auto status = room().status();
    const auto* first = device(status, "0000:02:01.0");
    const auto* second = device(status, "0000:02:02.0");
    const auto* bridge = device(status, "0000:00:06.0");
    ASSERT_TRUE(first && second && bridge);
    EXPECT_EQ(first->group, second->group);
    EXPECT_EQ(first->group, bridge->group);
    const auto alias = raw(q35::bridge_alias.stream());
    EXPECT_TRUE(std::ranges::any_of(first->streams,
                                    [&](const report::Stream& s) { return s.id == alias; }));

    ClientProcess driver = room().driver(), other = room().driver();
    const Object object = driver.own(q35::edu_behind_bridge_a);
    ASSERT_NE(object, nullptr);
    ASSERT_TRUE(driver.map(object, memory_base, 2 * page).done());
    Edu& a = room().edu(q35::edu_behind_bridge_a);
    Edu& b = room().edu(q35::edu_behind_bridge_b);
    EXPECT_TRUE(room().copies(a, memory_base, memory_base + page));
    EXPECT_FALSE(room().writes(a, memory_base + 2 * page)) << "and contained it is";
    EXPECT_TRUE(room().writes(b, memory_base)) << "a group is attached as a whole";
    EXPECT_FALSE(room().writes(b, memory_base + 2 * page));

    const Object theirs = other.create();
    const Answer refused = other.add(theirs, q35::edu_behind_bridge_b);
    EXPECT_TRUE(refused.failed_with(EBUSY));
    EXPECT_THAT(refused.text, HasSubstr("0000:02:01.0"));
    EXPECT_THAT(refused.text, HasSubstr(fmt::format("{}", driver.pid())));
    EXPECT_TRUE(driver.add(object, q35::edu_behind_bridge_b).done()) << "its owner may";
    EXPECT_TRUE(driver.remove(q35::edu_behind_bridge_a).done());
    EXPECT_TRUE(room().writes(b, memory_base)) << "the group stays for the one that is left";
    EXPECT_TRUE(driver.remove(q35::edu_behind_bridge_b).done());
    EXPECT_FALSE(room().writes(a, memory_base));
    EXPECT_FALSE(room().writes(b, memory_base));
}

TEST_F(Clients, ADeviceBehindARootPortIsAGroupOfItsOwn) {
    const auto status = room().status();
    const auto* behind = device(status, "0000:01:00.0");
    ASSERT_NE(behind, nullptr);
    EXPECT_EQ(std::ranges::count(status.devices, behind->group, &report::Device::group), 1);
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_behind_port);
    ASSERT_NE(object, nullptr);
    ASSERT_TRUE(driver.map(object, memory_base, 2 * page).done());
    Edu& edu = room().edu(q35::edu_behind_port);
    EXPECT_TRUE(room().copies(edu, memory_base, memory_base + page));
    EXPECT_FALSE(room().writes(edu, memory_base + 2 * page));
    EXPECT_FALSE(room().writes(room().a(), memory_base));
}

TEST_F(Clients, WildcardsAreAllOrNothing) {
    ClientProcess driver = room().driver(), other = room().driver();
    const Object busy = other.own(q35::edu_b);
    ASSERT_NE(busy, nullptr);
    const Object object = driver.create();
    ASSERT_TRUE(driver.map(object, memory_base, page).done());
    const auto add_bus = [object](unsigned bus) {
        return [object, bus] {
            return long{smmu_device_add_pci(object, bus, SMMU_PCI_FIELD_ANY, SMMU_PCI_FIELD_ANY)};
        };
    };
    EXPECT_TRUE(driver.run(add_bus(0)).failed_with(EBUSY));
    EXPECT_FALSE(room().writes(room().a(), memory_base)) << "nothing was attached";
    EXPECT_TRUE(driver.run(add_bus(9)).failed_with(ENOENT)) << "none matches";
    EXPECT_TRUE(driver.run(add_bus(1)).done());
    EXPECT_TRUE(room().writes(room().edu(q35::edu_behind_port), memory_base));
    EXPECT_TRUE(other.destroy(busy).done());
    const Answer whole_bus = driver.run(add_bus(0));
    EXPECT_TRUE(whole_bus.done()) << testing::PrintToString(whole_bus);
    EXPECT_TRUE(room().writes(room().a(), memory_base));
    EXPECT_TRUE(room().writes(room().b(), memory_base));
    EXPECT_FALSE(room().writes(room().edu(q35::edu_behind_bridge_a), memory_base));
    const Answer removed =
        driver.run([] { return long{smmu_device_add_pci(nullptr, 0, 4, SMMU_PCI_FIELD_ANY)}; });
    EXPECT_TRUE(removed.done()) << testing::PrintToString(removed);
    EXPECT_FALSE(room().writes(room().b(), memory_base));
    EXPECT_TRUE(room().writes(room().a(), memory_base));
}

TEST_F(Clients, RegistersGrantedToSomebodyElseKeepADeviceFromBeingOwned) {
    ClientProcess driver = room().driver(), other = room().driver();
    const Object object = driver.own(q35::edu_a);
    const std::uint64_t registers = room().b().registers().first.value;
    ASSERT_TRUE(driver.map(object, registers + 8, 1).done()) << "nobody owns the other device";
    const Object theirs = other.create();
    const Answer refused = other.add(theirs, q35::edu_b);
    EXPECT_TRUE(refused.failed_with(EBUSY));
    EXPECT_THAT(refused.text, HasSubstr(fmt::format("{}", driver.pid())));
    ASSERT_TRUE(driver.unmap(object, registers + 8, 1).done());
    EXPECT_TRUE(other.add(theirs, q35::edu_b).done());
    EXPECT_TRUE(driver.map(object, registers + 8, 1).failed_with(EPERM)) << "now it is protected";
}

TEST_F(Clients, AnotherProcessesPointersMeanNothing) {
    ClientProcess first = room().driver(), second = room().driver();
    const Object object = first.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    EXPECT_TRUE(second.map(object, memory_base, page).failed_with(EINVAL));
    EXPECT_TRUE(second.add(object, q35::edu_b).failed_with(EINVAL));
    EXPECT_TRUE(second.destroy(object).failed_with(EINVAL));
    EXPECT_TRUE(first.map(object, memory_base, page).done());
}

// The examples are clients in C.
TEST_F(Clients, AClientWrittenInCOwnsGrantsCopiesAndIsContained) {
    const auto list = {"edu_driver", "guest_memory", "fd_driver"};
    for (const std::string name : list)
        if (access((SMMU_BINARY_DIR "/bin/" + name).c_str(), X_OK) != 0)
            GTEST_SKIP() << name << " is not built";
    setenv("SMMU_BOARD", room().board().socket().c_str(), 1);
    for (const std::string name : {"guest_memory", "fd_driver"}) {
        const Ran ran = run(room().board(), name, {"0:3.0"});
        EXPECT_EQ(ran.status, 0) << name << ": " << ran.output;
    }
}

}  // namespace
}  // namespace smmu::test

// SPDX-License-Identifier: Apache-2.0
// Boards that a device tree describes: found, contained, and used like those that ACPI tables describe.
#include <gmock/gmock.h>

#include "tests/devices/doorbells.hpp"
#include "tests/e2e/machine_room.hpp"

namespace smmu::test {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t its_registers = 0x0808'0000;

class TreeBoard : public testing::TestWithParam<const char*> {
protected:
    void SetUp() override {
        auto opened = MachineRoom::open(GetParam());
        ASSERT_TRUE(opened) << opened.error().text;
        room_ = std::move(*opened);
    }
    MachineRoom& room() { return *room_; }

private:
    std::unique_ptr<MachineRoom> room_;
};

TEST_P(TreeBoard, EverythingIsFoundInTheTree) {
    const auto started = room().start_service();
    ASSERT_TRUE(started) << started.error().text;
    EXPECT_THAT(room().service().said(), HasSubstr("contained 1 of 1 units, 0 devices behind no unit"));
    const report::Status status = room().status();
    ASSERT_EQ(status.units.size(), 1u);
    EXPECT_EQ(status.units[0].name, "smmuv3@9050000");
    EXPECT_EQ(status.units[0].state, "contained");
    EXPECT_THAT(status.units[0].origin, testing::StartsWith("dtb /"));
    for (const report::Finding& finding : status.findings) EXPECT_NE(finding.severity, "error") << finding.text;
    std::size_t edus = 0;
    for (const report::Device& device : status.devices) {
        EXPECT_FALSE(device.streams.empty()) << device.id;
        edus += device.description.starts_with("1234:11e8") ? 1u : 0u;
    }
    EXPECT_EQ(edus, 5u);
}

TEST_P(TreeBoard, WhatIsGrantedPassesAndTheRestIsRefusedAndRecorded) {
    ASSERT_TRUE(room().start_service());
    const std::uint64_t granted = room().memory(), secret = room().memory() + 16 * page;
    EXPECT_FALSE(room().writes(room().a(), granted));
    ClientProcess driver = room().driver();
    (void)driver.events();  // records begin with the first question for them
    const Object object = driver.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    ASSERT_TRUE(driver.map(object, granted, page).done());
    EXPECT_TRUE(room().writes(room().a(), granted));
    EXPECT_FALSE(room().writes(room().b(), granted)) << "another device";
    EXPECT_FALSE(room().writes(room().a(), secret));
    smmu_event event{};
    EXPECT_TRUE(eventually([&] {
        for (const smmu_event& next : driver.events())
            if (event.size == 0 && (next.address & ~(page - 1)) == secret) event = next;
        return event.size != 0;
    }));
    EXPECT_STREQ(event.unit, "smmuv3@9050000");
    EXPECT_EQ(event.device.type, unsigned{SDT_PCI});
    EXPECT_EQ(event.device.pci.dev, q35::edu_a.device);
    EXPECT_EQ(event.stream, raw(q35::edu_a.stream()));
    EXPECT_STREQ(smmu_cause_name(event.cause), "never-granted");
    ASSERT_TRUE(driver.unmap(object, granted, page).done());
    EXPECT_FALSE(room().writes(room().a(), granted));
}

TEST_P(TreeBoard, DevicesBehindABridgeAreOneGroup) {
    ASSERT_TRUE(room().start_service());
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_behind_bridge_a);
    ASSERT_NE(object, nullptr);
    ASSERT_TRUE(driver.map(object, room().memory(), page).done());
    EXPECT_TRUE(room().writes(room().edu(q35::edu_behind_bridge_a), room().memory()));
    EXPECT_FALSE(room().writes(room().edu(q35::edu_behind_bridge_a), room().memory() + page));
    EXPECT_FALSE(room().writes(room().edu(q35::edu_behind_port), room().memory()));
}

TEST_P(TreeBoard, MessagesReachTheDoorbellAndNothingElseOfTheController) {
    constexpr PhysAddr controller_memory{0x4400'0000};
    Its controller(room().link(), room().ram(), controller_memory);
    const Doorbell bell = controller.bell(q35::edu_a);
    ASSERT_TRUE(room().start_service());
    room().a().bus_master(true);
    room().a().set_message({bell.address.value}, bell.data);
    room().a().raise_interrupt(1);
    EXPECT_FALSE(controller.rang(bell)) << "nobody has the device";
    ClientProcess driver = room().driver();
    const Object object = driver.own(q35::edu_a);
    ASSERT_NE(object, nullptr);
    room().a().bus_master(true);
    room().a().set_message({bell.address.value}, bell.data);
    room().a().raise_interrupt(1);
    EXPECT_TRUE(controller.rang(bell)) << "attached";
    EXPECT_EQ(driver.map(object, its_registers, page).error, EPERM);
    EXPECT_EQ(driver.map(object, bell.address.value & ~(page - 1), page).error, EPERM);
    EXPECT_EQ(driver.map(object, virt::smmu_registers.first.value, page).error, EPERM);
    EXPECT_EQ(driver.map(object, virt::ecam.value, page).error, EPERM);
}

INSTANTIATE_TEST_SUITE_P(Boards, TreeBoard, testing::Values("virt-smmuv3-dt", "virt-smmuv3-s1-dt", "virt-smmuv3-s2-dt"), [](const auto& board) {
    std::string name = board.param;
    std::ranges::replace(name, '-', '_');
    return name;
});

}  // namespace
}  // namespace smmu::test

// SPDX-License-Identifier: Apache-2.0
// Interrupt messages behind the service, on every Arm board: they arrive while their device is attached, and only its own; the
// page that they are written to is closed for everybody and everything else.
#include "tests/devices/doorbells.hpp"
#include "tests/devices/e1000.hpp"
#include "tests/e2e/machine_room.hpp"

namespace smmu::test {
namespace {

constexpr Function e1000{0, 8};

class DoorbellDma : public testing::TestWithParam<std::string> {
protected:
    void SetUp() override {
        auto opened = MachineRoom::open(GetParam());
        ASSERT_TRUE(opened) << opened.error().text;
        room_ = std::move(*opened);
        const PhysAddr controller_memory{room_->memory() + 0x200'0000};
        if (GetParam().ends_with("gicv2"))
            controller_ = std::make_unique<MessageFrame>(room_->link());
        else
            controller_ = std::make_unique<Its>(room_->link(), room_->ram(), controller_memory);
        bell_ = controller_->bell(q35::edu_a);
        bell_page_ = align_down(bell_.address, 12);
        ASSERT_TRUE(room_->start_service());
        driver_ = room_->driver();
        driver_.events();  // records start with the first question
    }
    bool rings(Edu& edu) {
        edu.bus_master(true);
        edu.set_message({bell_.address.value}, bell_.data);
        edu.raise_interrupt(1);
        return controller_->rang(bell_);
    }
    void expect_refused(const smmu_event& event, Function device, unsigned access, unsigned cause) {
        EXPECT_EQ(event.stream, std::uint32_t(device.stream()));
        EXPECT_EQ(event.address & ~(page - 1), bell_page_.value);
        EXPECT_EQ(event.access, access);
        EXPECT_STREQ(smmu_cause_name(event.cause), smmu_cause_name(cause));
    }

    std::unique_ptr<MachineRoom> room_;
    std::unique_ptr<InterruptController> controller_;
    ClientProcess driver_;
    Doorbell bell_{};
    PhysAddr bell_page_{};
};

TEST_P(DoorbellDma, MessagesArriveWhileTheDeviceIsAttached) {
    EXPECT_FALSE(rings(room_->a())) << "nobody has it";
    ASSERT_NE(driver_.own(q35::edu_a), nullptr);
    driver_.events();
    EXPECT_TRUE(rings(room_->a()));
    EXPECT_TRUE(driver_.events().empty());
    EXPECT_FALSE(rings(room_->b())) << "nobody has that one";
    ASSERT_TRUE(driver_.remove(q35::edu_a).done());
    EXPECT_FALSE(rings(room_->a()));
    const auto again = driver_.own(q35::edu_a);
    ASSERT_NE(again, nullptr);
    EXPECT_TRUE(rings(room_->a()));
    driver_.kill_now();
    EXPECT_TRUE(eventually([&] { return !rings(room_->a()); })) << "its owner has died";
}

TEST_P(DoorbellDma, NothingIsReadThere) {
    ASSERT_NE(driver_.own(q35::edu_a), nullptr);
    room_->a().bus_master(true);
    room_->a().dma_in({bell_page_.value}, 4);
    if (GetParam().ends_with("-s1")) return;  // what may write may read, there
    expect_refused(driver_.next_event(), q35::edu_a, SMF_READ, SMMU_CAUSE_PERMISSION);
}

TEST_P(DoorbellDma, ADeviceWithoutMessagesDoesNotRingIt) {
    const PhysAddr base{room_->memory()};
    const Object object = driver_.own(e1000);
    ASSERT_NE(object, nullptr);
    E1000 controller(room_->link(), room_->ram(), e1000, {base, base + page, base + 2 * page, bell_page_});
    ASSERT_TRUE(driver_.map(object, base.value, 3 * page).done());
    EXPECT_TRUE(driver_.map(object, bell_page_.value, page, SMF_WRITE).failed_with(EPERM)) << "nobody opens one by himself";
    room_->ram().fill(base + page, page, std::uint8_t(bell_.data));
    controller.start();
    std::vector<smmu_event> refused;
    ASSERT_TRUE(eventually([&] {
        controller.empty_rings();
        controller.send();
        refused = driver_.events();
        return !refused.empty();
    }));
    EXPECT_FALSE(controller_->rang(bell_));
    expect_refused(refused.front(), e1000, SMF_WRITE, SMMU_CAUSE_PROTECTED);
}

TEST_P(DoorbellDma, TheStatusShowsWhoHasOne) {
    const report::Status status = room_->status();
    const auto bells = [&](Function function) {
        const auto device = std::ranges::find(status.devices, fmt::format("0000:{:02x}:{:02x}.0", function.bus, function.device),
                                              &report::Device::id);
        return device == status.devices.end() ? -1 : std::ranges::count(device->grants, "doorbell", &report::FirmwareGrant::kind);
    };
    EXPECT_EQ(bells(q35::edu_a), 1);
    EXPECT_EQ(bells(e1000), 0);
}

INSTANTIATE_TEST_SUITE_P(Boards, DoorbellDma, testing::ValuesIn(MachineRoom::boards({"virt-smmuv3"})),
                         [](const auto& tested) {
                             std::string name = tested.param;
                             std::ranges::replace(name, '-', '_');
                             return name;
                         });

}  // namespace
}  // namespace smmu::test

// SPDX-License-Identifier: Apache-2.0
// Interrupt messages on the Arm boards: writes to a doorbell that pass the unit like any other, or do not.
#include "tests/devices/doorbells.hpp"
#include "virt_board.hpp"

namespace smmu::test {
namespace {

using EventType = SmmuByHand::EventType;

class VirtDoorbell : public VirtBoard {
protected:
    static constexpr PhysAddr controller_memory{0x4400'0000};

    void SetUp() override {
        ASSERT_NO_FATAL_FAILURE(VirtBoard::SetUp());
        if (std::string_view(GetParam().name).ends_with("gicv2"))
            controller_ = std::make_unique<MessageFrame>(*client_);
        else
            controller_ = std::make_unique<Its>(*client_, *ram_, controller_memory);
    }
    // Whether the device's message to `address` makes the bell's interrupt pending.
    bool rings(Edu& edu, Iova address, const Doorbell& bell) {
        edu.set_message(address, bell.data);
        edu.raise_interrupt(1);
        return controller_->rang(bell);
    }

    std::unique_ptr<InterruptController> controller_;
};

TEST_P(VirtDoorbell, MessagesArriveWhileTheUnitIsOff) {
    for (const Function function : {q35::edu_a, q35::edu_behind_port}) {
        Edu edu(*client_, function);
        const Doorbell bell = controller_->bell(function);
        EXPECT_FALSE(rings(edu, {bell.address.value}, bell)) << "not a bus master";
        edu.bus_master(true);
        EXPECT_TRUE(rings(edu, {bell.address.value}, bell));
        EXPECT_FALSE(controller_->rang(bell)) << "once for each message";
    }
}

TEST_P(VirtDoorbell, MessagesAreTranslatedLikeOtherWrites) {
    SmmuByHand unit(*client_, *ram_, unit_memory);
    Edu edu(*client_, q35::edu_a);
    edu.bus_master(true);
    const Doorbell bell = controller_->bell(q35::edu_a);
    const Iova same{bell.address.value}, elsewhere{0x12'3456'7000 + bell.address.value % 0x1000};
    const PhysAddr page = align_down(bell.address, 12);
    unit.enable();
    for (const unsigned stage : {1u, 2u}) {
        if (!unit.has_stage(stage)) continue;
        unit.translate(q35::edu_a, stage);
        EXPECT_FALSE(rings(edu, same, bell));
        auto refused = unit.events();
        ASSERT_EQ(refused.size(), 1u);
        EXPECT_EQ(refused.front().type, EventType::translation);
        EXPECT_EQ(refused.front().stream, q35::edu_a.stream());
        EXPECT_EQ(refused.front().address, same.value);
        EXPECT_FALSE(refused.front().is_read);

        unit.map(stage, align_down(same, 12), page, Access::read);
        EXPECT_FALSE(rings(edu, same, bell));
        refused = unit.events();
        ASSERT_EQ(refused.size(), 1u);
        EXPECT_EQ(refused.front().type, EventType::permission);

        unit.map(stage, align_down(same, 12), page, read_write);
        EXPECT_TRUE(rings(edu, same, bell));
        unit.translate(q35::edu_a, stage);
        unit.map(stage, align_down(elsewhere, 12), page, read_write);
        EXPECT_TRUE(rings(edu, elsewhere, bell));
        EXPECT_TRUE(unit.events().empty());
    }
}

constexpr VirtKind boards[] = {
    virt_boards[0], virt_boards[1], virt_boards[2], {"virt-smmuv3-gicv2", true, true, false}};
INSTANTIATE_TEST_SUITE_P(Boards, VirtDoorbell, testing::ValuesIn(boards), board_word);

}  // namespace
}  // namespace smmu::test

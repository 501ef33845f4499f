// SPDX-License-Identifier: Apache-2.0
// DMA on the Arm boards, with their unit off and set up by hand: it is hardware that a driver can be held against.
#include "virt_board.hpp"

namespace smmu::test {
namespace {

using EventType = SmmuByHand::EventType;
class VirtDma : public VirtBoard {};

TEST_P(VirtDma, EveryDeviceMovesBytesWhileTheUnitIsOff) {
    std::uint64_t value = 0x1122334455667788;
    for (const Function function : virt_edus) {
        Edu edu(*client_, function);
        edu.bus_master(true);
        load(edu, {source.value}, source, ++value);
        EXPECT_EQ(written(edu, {target.value}, target), value);
        edu.bus_master(false);
        EXPECT_EQ(written(edu, {target.value}, target), 0u) << "not a bus master";
    }
}

TEST_P(VirtDma, NothingPassesAUnitThatRefusesWhileOff) {
    SmmuByHand unit(*client_, *ram_, unit_memory);
    for (const Function function : virt_edus) {
        Edu edu(*client_, function);
        edu.bus_master(true);
        load(edu, {source.value}, source, 0x77);
        unit.refuse_while_off(true);
        EXPECT_EQ(written(edu, {target.value}, target), 0u);
        unit.refuse_while_off(false);
        EXPECT_EQ(written(edu, {target.value}, target), 0x77u);
    }
}

TEST_P(VirtDma, TablesOfEachStageLetThroughAndRefuse) {
    const Iova readable{0x12'3456'7000}, writable{0x12'3456'8000}, missing{0x12'3456'9000};
    for (const unsigned stage : {1u, 2u}) {
        SmmuByHand unit(*client_, *ram_, unit_memory);
        if (!unit.has_stage(stage)) continue;
        unit.enable();
        ASSERT_TRUE(unit.is_enabled());
        for (const Function function : {q35::edu_a, q35::edu_behind_port}) {
            Edu edu(*client_, function);
            edu.bus_master(true);
            EXPECT_EQ(written(edu, {target.value}, target), 0u);
            auto refused = unit.events();
            ASSERT_FALSE(refused.empty());
            EXPECT_EQ(refused.front().type, EventType::bad_entry);
            EXPECT_EQ(refused.front().stream, function.stream());

            unit.translate(function, stage);
            unit.map(stage, readable, source, Access::read);
            unit.map(stage, writable, target, read_write);
            load(edu, readable, source, 0xabcdef);
            EXPECT_EQ(written(edu, writable, target), 0xabcdefu);
            EXPECT_TRUE(unit.events().empty());

            EXPECT_EQ(written(edu, missing, target), 0u);
            refused = unit.events();
            ASSERT_EQ(refused.size(), 2u) << "one for each four bytes";
            EXPECT_EQ(refused.front().type, EventType::translation);
            EXPECT_EQ(refused.front().stream, function.stream());
            EXPECT_EQ(refused.front().address, missing.value);
            EXPECT_FALSE(refused.front().is_read);
            EXPECT_EQ(refused.front().is_stage_2, stage == 2);

            unit.map(stage, readable, source, Access::read);  // forgets what is cached
            EXPECT_EQ(written(edu, readable, source), 0u);
            refused = unit.events();
            ASSERT_FALSE(refused.empty());
            EXPECT_EQ(refused.front().type, EventType::permission);
            edu.bus_master(false);
        }
        unit.disable();
    }
}

// The unit cannot tell the two devices behind the bridge apart.
TEST_P(VirtDma, DevicesBehindTheBridgeAreOneStream) {
    SmmuByHand unit(*client_, *ram_, unit_memory);
    unit.enable();
    for (const Function function : {q35::edu_behind_bridge_a, q35::edu_behind_bridge_b}) {
        Edu edu(*client_, function);
        edu.bus_master(true);
        EXPECT_EQ(written(edu, {target.value}, target), 0u);
        const auto refused = unit.events();
        ASSERT_FALSE(refused.empty());
        EXPECT_EQ(refused.front().stream, q35::bridge_alias.stream());
    }
    const unsigned stage = GetParam().usual_stage();
    unit.translate(q35::bridge_alias, stage);
    unit.map(stage, {0x12'3456'7000}, target, read_write);
    for (const Function function : {q35::edu_behind_bridge_a, q35::edu_behind_bridge_b}) {
        Edu edu(*client_, function);
        ram_->store<std::uint64_t>(target, 0x99);
        EXPECT_TRUE(edu.dma_in({0x12'3456'7000}, 8));
        EXPECT_EQ(written(edu, {0x12'3456'7000}, target), 0x99u);
    }
    EXPECT_TRUE(unit.events().empty());
}

INSTANTIATE_TEST_SUITE_P(Boards, VirtDma, testing::ValuesIn(virt_boards), board_word);

}  // namespace
}  // namespace smmu::test

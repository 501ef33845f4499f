// SPDX-License-Identifier: Apache-2.0
// The drive and the network controller of the Arm boards as sources of DMA.
#include "tests/devices/e1000.hpp"
#include "tests/devices/nvme.hpp"
#include "virt_board.hpp"

namespace smmu::test {
namespace {

using EventType = SmmuByHand::EventType;

class VirtDevices : public VirtBoard {
protected:
    static constexpr std::uint64_t page = 0x1000;
    static constexpr PhysAddr queues{0x4210'0000};  // of the drive: four pages
    static constexpr PhysAddr data = queues + 4 * page;
    static constexpr E1000::Memory packets{queues, queues + page, queues + 2 * page, queues + 3 * page};
    static constexpr Function e1000_at{0, 8};

    // Every page from `queues` on, where it is.
    void let_through(SmmuByHand& unit, std::uint64_t pages) {
        for (std::uint64_t i = 0; i < pages; ++i)
            unit.map(GetParam().usual_stage(), {(queues + i * page).value}, queues + i * page, read_write);
    }
    bool filled(PhysAddr at) const {
        return std::ranges::any_of(ram_->at(at, page), [](std::byte byte) { return byte != std::byte{0}; });
    }
    static bool touches(const std::vector<SmmuByHand::Event>& refused, Function function, PhysAddr first) {
        return std::ranges::any_of(refused, [&](const SmmuByHand::Event& event) {
            return event.type == EventType::translation && event.stream == function.stream() &&
                   event.address >= first.value && event.address < (first + page).value;
        });
    }
};

TEST_P(VirtDevices, TheDriveIsContained) {
    Nvme nvme(*client_, *ram_, q35::nvme, queues);
    ram_->fill(data, 2 * page, 0);
    ASSERT_TRUE(nvme.start());
    EXPECT_TRUE(nvme.identify({data.value}));
    EXPECT_TRUE(filled(data)) << "the unit is off";

    SmmuByHand unit(*client_, *ram_, unit_memory);
    unit.enable();
    unit.translate(q35::nvme, GetParam().usual_stage());
    let_through(unit, 5);
    ram_->fill(data, 2 * page, 0);
    ASSERT_TRUE(nvme.start());
    EXPECT_TRUE(nvme.identify({data.value}));
    EXPECT_TRUE(filled(data));
    EXPECT_TRUE(unit.events().empty());
    EXPECT_TRUE(nvme.identify({(data + page).value})) << "it does not notice";
    EXPECT_FALSE(filled(data + page));
    EXPECT_TRUE(touches(unit.events(), q35::nvme, data + page));
}

TEST_P(VirtDevices, TheNetworkControllerIsContained) {
    E1000 e1000(*client_, *ram_, e1000_at, packets);
    e1000.start();
    const auto arrives = [&](std::uint8_t number) {
        constexpr int attempts = 20;  // what comes right after the receiver was set up is dropped
        e1000.compose(number);
        for (int i = 0; i < attempts; ++i) {
            ram_->fill(packets.received, page, 0);
            e1000.empty_rings();
            e1000.send();
            if (e1000.arrived()) return true;
            usleep(10'000);
        }
        return false;
    };
    EXPECT_TRUE(arrives(1)) << "the unit is off";
    SmmuByHand unit(*client_, *ram_, unit_memory);
    unit.enable();
    unit.translate(e1000_at, GetParam().usual_stage());
    let_through(unit, 4);
    EXPECT_TRUE(arrives(2));
    EXPECT_TRUE(unit.events().empty());
    unit.translate(e1000_at, GetParam().usual_stage());
    let_through(unit, 3);
    e1000.compose(3);
    ram_->fill(packets.received, page, 0);
    e1000.empty_rings();
    e1000.send();
    EXPECT_FALSE(filled(packets.received));
    EXPECT_TRUE(touches(unit.events(), e1000_at, packets.received));
}

INSTANTIATE_TEST_SUITE_P(Boards, VirtDevices, testing::Values(virt_boards[0], virt_boards[1], virt_boards[2]),
                         board_word);

}  // namespace
}  // namespace smmu::test

// SPDX-License-Identifier: Apache-2.0
// A device that only the ACPI name space knows: an edu plays it, whose requester id the table gives to a component and not
// to PCI. What it sends is refused in the component's name, until a line says where the registers are.
#include "tests/e2e/table_folder.hpp"
#include "tests/unit/firmware/iort_bytes.hpp"

namespace smmu::test {
namespace {

constexpr std::uint64_t registers = 0x3000'0000;  // any that are nobody's: what counts is the stream
constexpr const char* component = "acpi:\\_SB.DMA0";

std::vector<std::byte> iort_with_a_component() {
    const std::uint32_t stream = raw(q35::edu_b.stream());
    IortBytes iort;
    const auto unit = iort.smmuv3(virt::smmu_registers.first.value);
    iort.root_complex({{0, stream, 0, unit}, {stream + 1, 0xffff - stream, stream + 1, unit}});
    iort.component("\\_SB.DMA0", {{0, 1, stream, unit}});
    return iort.table();
}

class Components : public testing::Test {
protected:
    void SetUp() override {
        auto opened = MachineRoom::open("virt-smmuv3");
        ASSERT_TRUE(opened) << opened.error().text;
        room = *std::move(opened);
        const auto written = table_folder(*room, "IORT", iort_with_a_component());
        ASSERT_TRUE(written) << written.error().text;
        folder = *written;
        memory = room->memory() + 8 * page;
    }
    static const report::Device* find(const report::Status& status, const std::string& id) {
        const auto at = std::ranges::find(status.devices, id, &report::Device::id);
        return at != status.devices.end() ? &*at : nullptr;
    }

    std::unique_ptr<MachineRoom> room;
    std::string folder;
    std::uint64_t memory = 0;
};

TEST_F(Components, AreRefusedInTheirName) {
    const auto started = room->start_service({"--tables", folder, "smmu armsmmuv3"});
    ASSERT_TRUE(started) << started.error().text;
    EXPECT_FALSE(room->writes(room->b(), memory));
    usleep(150'000);
    const report::Status status = room->status();
    const auto* device = find(status, component);
    ASSERT_NE(device, nullptr);
    EXPECT_EQ(device->state, "blocked");
    EXPECT_GT(device->refused, 0u);
    ASSERT_FALSE(status.refusals.empty());
    EXPECT_EQ(status.refusals.back().device, component);
    EXPECT_EQ(status.refusals.back().cause, "not-attached");
    EXPECT_EQ(find(status, "0000:00:04.0")->state, "behind no unit");
}

TEST_F(Components, ALineWithTheirAddressLetsADriverUseThem) {
    const auto started = room->start_service(
        {"--tables", folder, "smmu armsmmuv3", fmt::format("device mem:{:#x},4K use smmuv3@{:x} {:#x}", registers,
                                                           virt::smmu_registers.first.value, raw(q35::edu_b.stream()))});
    ASSERT_TRUE(started) << started.error().text;
    EXPECT_FALSE(room->writes(room->b(), memory));
    ClientProcess driver = room->driver();
    const Object object = driver.create();
    ASSERT_TRUE(driver.run([object] { return long{smmu_device_add_mmio(object, registers, page)}; }).done());
    ASSERT_TRUE(driver.map(object, memory, page).done());
    EXPECT_TRUE(room->writes(room->b(), memory));
    EXPECT_FALSE(room->writes(room->b(), memory + page));
    const report::Status status = room->status();
    EXPECT_EQ(find(status, component), nullptr);
    EXPECT_EQ(find(status, fmt::format("mem:{:#x},0x1000", registers))->description, "ACPI \\_SB.DMA0");
}

}  // namespace
}  // namespace smmu::test

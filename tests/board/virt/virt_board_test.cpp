// SPDX-License-Identifier: Apache-2.0
// The Arm boards as clients find them: what firmware would have done is done.
#include "platform/board/board_platform.hpp"
#include "virt_board.hpp"

namespace smmu::test {
namespace {

TEST_P(VirtBoard, SaysWhatItIs) {
    const link::MachineDescription& machine = client_->machine();
    EXPECT_EQ(machine.name, GetParam().name);
    EXPECT_EQ(machine.ram, (std::vector<link::RamRange>{{virt::ram, virt::ram_bytes, 0}}));
    EXPECT_EQ(machine.interrupts, link::Interrupts::poll);
    const SmmuByHand unit(*client_, *ram_, unit_memory);
    EXPECT_EQ(unit.has_stage(1), GetParam().has_stage_1);
    EXPECT_EQ(unit.has_stage(2), GetParam().has_stage_2);
    EXPECT_FALSE(unit.is_enabled());
}

unsigned sum_of(std::span<const std::byte> bytes) {
    unsigned sum = 0;
    for (const std::byte byte : bytes) sum += std::to_integer<unsigned>(byte);
    return sum % 256;
}

TEST_P(VirtBoard, HandsOverTheTablesOfItsFirmware) {
    const auto tables = client_->firmware_tables();
    ASSERT_TRUE(tables) << tables.error().text;
    for (const link::FirmwareTable& table : *tables)
        EXPECT_TRUE(std::ranges::equal(ram_->at({table.address}, table.bytes.size()), table.bytes)) << table.name;
    if (GetParam().has_device_tree) {
        ASSERT_EQ(tables->size(), 1u);
        EXPECT_EQ(tables->front().name, "dtb");
        EXPECT_EQ(tables->front().address, virt::ram.value);
        constexpr std::array mark = {std::byte{0xd0}, std::byte{0x0d}, std::byte{0xfe}, std::byte{0xed}};
        EXPECT_TRUE(std::ranges::equal(mark, std::span(tables->front().bytes).first(4)));
        return;
    }
    for (const char* const name : {"IORT", "MCFG", "APIC", "GTDT", "FACP"}) {
        const auto found = std::ranges::find(*tables, name, &link::FirmwareTable::name);
        ASSERT_NE(found, tables->end()) << name;
        EXPECT_EQ(sum_of(found->bytes), 0u) << name;
        EXPECT_GE(found->address, virt::ram.value + virt::ram_bytes / 2) << "out of the way";
    }
    EXPECT_EQ(std::ranges::find(*tables, "dtb", &link::FirmwareTable::name), tables->end());
}

// The registers that a function takes, from its first address register.
PhysRange registers_of(std::uint32_t bar, std::uint64_t bytes) {
    return *PhysRange::from_length({bar & ~15u}, bytes);
}

TEST_P(VirtBoard, DevicesHaveAddressesAndBusesHaveNumbers) {
    std::vector<PhysRange> taken;
    for (const Function edu : virt_edus) {
        EXPECT_EQ(config(edu, 0), Edu::identity);
        taken.push_back(registers_of(config(edu, 0x10), 1u << 20));
    }
    EXPECT_EQ(config(q35::root_port, 0), 0x000c1b36u);
    EXPECT_EQ(config(q35::root_port, 0x18) & 0xffffff, 0x010100u);
    EXPECT_EQ(config(q35::pci_bridge, 0), 0x000e1b36u);
    EXPECT_EQ(config(q35::pci_bridge, 0x18) & 0xffffff, 0x020200u);
    EXPECT_EQ(config(q35::nvme, 0), 0x00101b36u);
    taken.push_back(registers_of(config(q35::nvme, 0x10), 16u << 10));
    EXPECT_EQ(config({0, 8}, 0), 0x100e8086u);
    taken.push_back(registers_of(config({0, 8}, 0x10), 128u << 10));
    EXPECT_EQ(config({9, 9}, 0), 0xffffffffu);
    std::ranges::sort(taken);
    for (std::size_t i = 0; i < taken.size(); ++i) {
        EXPECT_TRUE(virt::device_registers.contains(taken[i])) << i;
        EXPECT_TRUE(i == 0 || !taken[i].overlaps(taken[i - 1])) << i;
    }
    const auto commands = [&](Function function) { return config(function, 4) & 7; };
    constexpr std::uint32_t memory_space = 2;
    for (const Function function : virt_edus) EXPECT_EQ(commands(function), memory_space) << "no bus master";
    for (const Function function : virt_others) EXPECT_EQ(commands(function), memory_space) << "no bus master";
}

TEST_P(VirtBoard, ComesOutTheSameEachTime) {
    const auto addresses = [&] {
        std::vector<std::uint32_t> all;
        for (const Function function : virt_edus) all.push_back(config(function, 0x10));
        for (const Function function : virt_others) all.push_back(config(function, 0x10));
        return all;
    };
    const auto first = addresses();
    const auto first_tables = client_->firmware_tables();
    const auto identity = client_->machine().boot_identity;
    ASSERT_NO_FATAL_FAILURE(start(GetParam().name));
    EXPECT_EQ(addresses(), first);
    EXPECT_NE(client_->machine().boot_identity, identity);
    const auto tables = client_->firmware_tables();
    ASSERT_TRUE(first_tables && tables);
    ASSERT_EQ(tables->size(), first_tables->size());
    for (std::size_t i = 0; i < tables->size(); ++i) {
        EXPECT_EQ((*tables)[i].address, (*first_tables)[i].address);
        EXPECT_EQ((*tables)[i].bytes, (*first_tables)[i].bytes) << (*tables)[i].name;
    }
}

TEST_P(VirtBoard, IsAPlatform) {
    auto opened = platform::board::open(board_->socket());
    ASSERT_TRUE(opened) << opened.error().text;
    platform::Platform& platform = **opened;
    EXPECT_EQ(platform.ram(), std::vector{*PhysRange::from_length(virt::ram, virt::ram_bytes)});
    EXPECT_EQ(platform.registers({virt::ram, virt::ram + 0xfff}).error().code, ENXIO);
    EXPECT_TRUE(platform.registers(virt::smmu_registers));
    const auto tables = platform.firmware_tables();
    ASSERT_TRUE(tables);
    EXPECT_EQ(std::ranges::any_of(*tables, [](const auto& table) { return table.name == "dtb"; }),
              GetParam().has_device_tree);

    const platform::EcamWindow window{virt::ecam.value, 0, 0, 255};
    auto by_window = platform.pci_config(std::span(&window, 1));
    ASSERT_TRUE(by_window);
    const platform::PciFunction edu{0, 1, 0};
    EXPECT_EQ((*by_window)->read32(edu, 0), Edu::identity);
    (*by_window)->write(edu, 0x3c, 1, 0x5);
    EXPECT_EQ((*by_window)->read32(edu, 0x3c) & 0xff, 0x5u);
    auto by_port = platform.pci_config({});
    ASSERT_TRUE(by_port);
    EXPECT_EQ((*by_port)->read32({0, 0, q35::edu_a.devfn()}, 0), 0xffffffffu) << "an Arm board has no ports";
}

TEST_P(VirtBoard, TableMemoryIsOffFirmwaresThings) {
    auto platform = platform::board::open(board_->socket());
    ASSERT_TRUE(platform) << platform.error().text;
    const auto memory = (*platform)->table_memory(std::nullopt, 126u << 20);
    ASSERT_TRUE(memory) << memory.error().text;
    EXPECT_EQ(memory->range.first, virt::ram + virt::ram_bytes / 2);
    const auto tables = client_->firmware_tables();
    ASSERT_TRUE(tables);
    for (const link::FirmwareTable& table : *tables)
        EXPECT_FALSE(memory->range.overlaps(*PhysRange::from_length({table.address}, table.bytes.size())))
            << table.name;
    memory->bytes[0] = std::byte{0x5a};
    EXPECT_EQ(ram_->load<std::uint8_t>(memory->range.first), 0x5a);
}

TEST_P(VirtBoard, SleepsWhenNobodyAsks) {
    const auto ticks = [&] { return ticks_of(board_->pid()) + ticks_of(board_->qemu_pid()); };
    const unsigned long before = ticks();
    sleep(1);
    EXPECT_LE(ticks() - before, 3u) << "of 100 ticks";
}

TEST(VirtBoardTables, CanBeOthers) {
    auto board = BoardProcess::start("virt-smmuv3-dt", {"--replace-table=dtb=hex:d00dfeed"});
    ASSERT_TRUE(board) << board.error().text;
    auto client = (*board)->connect();
    ASSERT_TRUE(client) << client.error().text;
    const auto tables = (*client)->firmware_tables();
    ASSERT_TRUE(tables) << tables.error().text;
    ASSERT_EQ(tables->size(), 1u);
    EXPECT_EQ(tables->front().name, "dtb");
    EXPECT_EQ(tables->front().bytes.size(), 4u);
    EXPECT_EQ(tables->front().address, 0u);
}

INSTANTIATE_TEST_SUITE_P(Boards, VirtBoard, testing::ValuesIn(virt_boards), board_word);

}  // namespace
}  // namespace smmu::test

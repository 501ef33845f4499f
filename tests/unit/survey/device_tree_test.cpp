// SPDX-License-Identifier: Apache-2.0
// What a survey makes of device trees: units, platform devices, streams of PCI functions, doorbells, reserved memory.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <set>
#include <sstream>

#include "firmware/device_tree.hpp"
#include "machine.hpp"
#include "tests/unit/firmware/test_data.hpp"

namespace smmu::survey {
namespace {

using test::device_of;
using test::finding_of;
using test::Machine;
using test::streams_of;
using topology::Grant;
using topology::MmioBlock;
using topology::PciAddress;
using topology::Topology;
using topology::UnitKind;

Machine machine_of(const std::string& file) {
    Machine machine;
    machine.has_dmar = false;
    machine.ram.clear();
    machine.device_tree = test::bytes_of(test::data_folder() / "dtb" / file);
    return machine;
}

MmioBlock block(std::uint64_t base, std::uint64_t length) {
    return {PhysAddr{base}, length};
}

bool is_protected(const Topology& topology, std::uint64_t address) {
    return std::ranges::any_of(topology.protected_memory,
                               [&](const topology::Protected& part) { return part.range.contains(PhysAddr{address}); });
}

TEST(DeviceTreeSurvey, EmulatedBoard) {
    Machine machine = machine_of("qemu11-virt-smmuv3.dtb");
    machine.add({0, 0, 2, 0}).message_interrupts = true;
    machine.add({0, 0, 3, 0});
    const Topology topology = machine.survey("smmu armsmmuv3");
    ASSERT_EQ(topology.units.size(), 1u);
    EXPECT_EQ(topology.units[0].kind, UnitKind::smmuv3);
    EXPECT_EQ(topology.units[0].name, "smmuv3@9050000");
    EXPECT_EQ(topology.units[0].registers.length(), 0x20000u);
    EXPECT_EQ(streams_of(topology, PciAddress{0, 0, 2, 0}), "0:10");
    const auto& grants = device_of(topology, PciAddress{0, 0, 2, 0})->grants;
    ASSERT_EQ(grants.size(), 1u);
    EXPECT_EQ(grants[0].kind, Grant::Kind::doorbell);
    EXPECT_EQ(grants[0].access, Access::write);
    EXPECT_EQ(grants[0].range, (PhysRange{PhysAddr{0x8090000}, PhysAddr{0x809ffff}}));
    EXPECT_TRUE(device_of(topology, PciAddress{0, 0, 3, 0})->grants.empty());
    EXPECT_TRUE(is_protected(topology, 0x9050000));
    EXPECT_TRUE(is_protected(topology, 0x8000000));     // distributor
    EXPECT_TRUE(is_protected(topology, 0x8080000));     // ITS
    EXPECT_TRUE(is_protected(topology, 0x8090040));     // its doorbell: only by way of the grant
    EXPECT_TRUE(is_protected(topology, 0x8091000));     // behind it
    EXPECT_TRUE(is_protected(topology, 0x4010000000));  // configuration space
    EXPECT_TRUE(topology.findings.empty());
}

// A grant of a doorbell opens what is protected: it must be a doorbell.
TEST(DeviceTreeSurvey, ADoorbellInMemoryIsNobodys) {
    Machine machine = machine_of("qemu11-virt-smmuv3.dtb");
    machine.add({0, 0, 2, 0}).message_interrupts = true;
    machine.ram = {{PhysAddr{0x8090000}, PhysAddr{0x8090fff}}};
    const Topology topology = machine.survey("smmu armsmmuv3");
    EXPECT_TRUE(device_of(topology, PciAddress{0, 0, 2, 0})->grants.empty());
}

TEST(DeviceTreeSurvey, KindThatNoWordAsksFor) {
    Machine machine = machine_of("qemu11-virt-smmuv3.dtb");
    const Topology topology = machine.survey("smmu vtd");
    const auto* finding = finding_of(topology, "unit-kind-not-asked-for");
    ASSERT_NE(finding, nullptr);
    EXPECT_NE(finding->text.find("smmu armsmmuv3"), std::string::npos);
}

TEST(DeviceTreeSurvey, PlatformDevicesAndMasks) {
    Machine machine = machine_of("synth-board1.dtb");
    const Topology topology = machine.survey("smmu armsmmuv3 smmu armsmmu smmu virtio");
    ASSERT_EQ(topology.units.size(), 3u);  // the fourth is disabled
    EXPECT_EQ(streams_of(topology, block(0x10502000, 0x1000)), "0:210 0:211 0:212");
    EXPECT_EQ(streams_of(topology, block(0x60001000, 0x100)), "0:77");
    EXPECT_EQ(streams_of(topology, block(0x10410000, 0x1000)), "1:410 1:411 2:7");
    // 0x400, and 0x401 with eight bits that do not count.
    EXPECT_EQ(device_of(topology, block(0x10400000, 0x1000))->streams.size(), 257u);
    EXPECT_EQ(device_of(topology, block(0x10501000, 0x1000)), nullptr);  // its status is disabled
    EXPECT_EQ(streams_of(topology, block(0x10420000, 0x1000)), "");
    const auto* disabled = finding_of(topology, "dtb-unit-disabled");
    ASSERT_NE(disabled, nullptr);
    EXPECT_NE(disabled->text.find("/usb@10420000"), std::string::npos);
    EXPECT_NE(finding_of(topology, "device-no-unit"), nullptr);
    EXPECT_TRUE(is_protected(topology, 0x10200000));  // also the registers of the disabled one
}

TEST(DeviceTreeSurvey, FunctionsOfPci) {
    Machine machine = machine_of("synth-board1.dtb");
    machine.add({0, 0, 0, 0});
    machine.add({0, 0, 1, 3});
    machine.add({0, 1, 0, 0});
    machine.add({0, 16, 0, 0});
    const Topology topology = machine.survey("smmu armsmmuv3 smmu armsmmu smmu virtio");
    EXPECT_EQ(device_of(topology, PciAddress{0, 0, 0, 0})->streams.size(), 65u);  // its own entry, and the map's
    EXPECT_EQ(streams_of(topology, PciAddress{0, 0, 1, 3}), "1:20");     // 0x0b under the mask 0xfff8 is 8
    EXPECT_EQ(streams_of(topology, PciAddress{0, 1, 0, 0}), "0:10100");
    EXPECT_EQ(streams_of(topology, PciAddress{0, 16, 0, 0}), "");  // beyond the bridge's buses
}

TEST(DeviceTreeSurvey, ReservedAddresses) {
    Machine machine = machine_of("synth-board1.dtb");
    machine.ram = {{PhysAddr{0x40000000}, PhysAddr{0x4fffffff}}};
    const Topology topology = machine.survey("smmu armsmmuv3 smmu armsmmu smmu virtio");
    const auto& grants = device_of(topology, block(0x10400000, 0x1000))->grants;
    ASSERT_EQ(grants.size(), 1u);
    EXPECT_EQ(grants[0].kind, Grant::Kind::reserved);
    EXPECT_EQ(grants[0].range, (PhysRange{PhysAddr{0x40000000}, PhysAddr{0x407fffff}}));
    EXPECT_TRUE(grants[0].honoured);
    EXPECT_NE(finding_of(topology, "dtb-reserved-moved"), nullptr);
    EXPECT_TRUE(device_of(topology, block(0x10420000, 0x1000))->grants.empty());
}

TEST(DeviceTreeSurvey, ConfigurationNamesADeviceByItsAddressAlone) {
    Machine machine = machine_of("synth-board1.dtb");
    const Topology topology = machine.survey("smmu armsmmuv3 smmu armsmmu smmu virtio device mem:10502000 blocked");
    const auto* device = device_of(topology, block(0x10502000, 0));
    ASSERT_NE(device, nullptr);
    EXPECT_TRUE(device->blocked);
    EXPECT_EQ(device->streams.size(), 3u);
    EXPECT_EQ(device->registers.at(0).length(), 0x1000u);
    EXPECT_EQ(device_of(topology, block(0x10502000, 0x1000)), nullptr);
}

TEST(DeviceTreeSurvey, CachesOfAnIpmmuArePartsOfItsMainUnit) {
    const Topology topology = machine_of("debian7.2-r8a77951-salvator-xs.dtb").survey("smmu rcar3 e67b0000,0,0");
    ASSERT_EQ(topology.units.size(), 1u);
    const topology::Unit& unit = topology.units[0];
    EXPECT_EQ(unit.kind, UnitKind::ipmmu);
    EXPECT_EQ(unit.name, "ipmmu@e67b0000");
    EXPECT_EQ(unit.coherent_walks, false);
    ASSERT_EQ(unit.caches.size(), 16u);
    const auto ds1 = std::ranges::find(unit.caches, "ipmmu@e7740000", &topology::CacheUnit::name);
    ASSERT_NE(ds1, unit.caches.end());
    EXPECT_EQ(ds1->status_bit, 1u);
    EXPECT_EQ(ds1->registers.first, PhysAddr{0xe7740000});
    EXPECT_TRUE(is_protected(topology, 0xe7740000));
    // SYS-DMAC2: micro-TLBs 16 to 31 of DS1.
    const topology::Device* dma = device_of(topology, block(0xe7310000, 0x10000));
    ASSERT_NE(dma, nullptr);
    ASSERT_EQ(dma->streams.size(), 16u);
    EXPECT_EQ(dma->streams[0].id, topology::micro_tlb(std::size_t(ds1 - unit.caches.begin()), 16));
}

TEST(DeviceTreeSurvey, CachesWithoutNumbersOfStatusBits) {
    const Topology topology = machine_of("debian7.2-r8a779f0-spider.dtb").survey("smmu rcar3 eefc0000,0,0");
    ASSERT_EQ(topology.units.size(), 1u);
    ASSERT_EQ(topology.units[0].caches.size(), 4u);
    EXPECT_FALSE(topology.units[0].caches[0].status_bit);
}

// What an IPMMU does not know passes: masters that are off, and host bridges whose functions nobody finds, are known all the same.
TEST(DeviceTreeSurvey, NothingBehindAnIpmmuIsForgotten) {
    const Topology topology = machine_of("debian7.2-r8a77951-salvator-xs.dtb").survey("smmu rcar3 e67b0000,0,0");
    const auto tree = firmware::parse_device_tree(test::bytes_of(test::data_folder() / "dtb/debian7.2-r8a77951-salvator-xs.dtb"));
    ASSERT_TRUE(tree);
    std::set<std::uint32_t> known;
    for (const topology::Device& device : topology.devices)
        for (const topology::Stream& stream : device.streams) known.insert(raw(stream.id));
    std::size_t said = 0;
    for (const firmware::TreeMaster& master : tree->masters)
        for (const firmware::TreeStream& stream : master.streams) {
            const std::string name = fmt::format("ipmmu@{:x}", tree->units[stream.unit].registers.at(0).first.value);
            const auto& caches = topology.units[0].caches;
            const auto cache = std::ranges::find(caches, name, &topology::CacheUnit::name);
            ASSERT_NE(cache, caches.end());
            EXPECT_TRUE(known.contains(raw(topology::micro_tlb(std::size_t(cache - caches.begin()), stream.id)))) << master.path;
            ++said;
        }
    EXPECT_EQ(said, 95u);
    const topology::Device* pci = nullptr;
    for (const topology::Device& device : topology.devices)
        if (device.description.starts_with("PCI below ") && !device.streams.empty()) pci = &device;
    ASSERT_NE(pci, nullptr);
    EXPECT_EQ(pci->streams.size(), 1u);
}

TEST(DeviceTreeSurvey, UnitsThatNobodyDrives) {
    const Topology rockchip = machine_of("debian7.2-rk3588-rock-5b.dtb").survey("smmu armsmmuv3");
    const auto* finding = finding_of(rockchip, "dtb-unit-unsupported");
    ASSERT_NE(finding, nullptr);
    EXPECT_NE(finding->text.find("rockchip"), std::string::npos);
    EXPECT_NE(finding_of(rockchip, "dtb-unit-one-stream"), nullptr);
    EXPECT_TRUE(std::ranges::any_of(rockchip.units, [](const auto& unit) { return unit.name.starts_with("rockchip@"); }));
    // A plain driver of SMMUv2 would program one of two instances, and the other would stay open.
    const Topology tegra = machine_of("debian7.2-tegra194-p2972-0000.dtb").survey("smmu armsmmu");
    ASSERT_EQ(tegra.units.size(), 2u);
    EXPECT_EQ(tegra.units[0].kind, UnitKind::unsupported);
    EXPECT_TRUE(tegra.units[0].name.starts_with("nvidia-smmu-500@"));
}

TEST(DeviceTreeSurvey, AMasterOfAUnitThatIsOffIsBehindNothing) {
    const Topology topology = machine_of("debian7.2-armada-7040-db.dtb").survey("smmu armsmmu");
    EXPECT_TRUE(topology.units.empty());
    EXPECT_NE(finding_of(topology, "dtb-unit-disabled"), nullptr);
    EXPECT_TRUE(std::ranges::all_of(topology.devices, [](const auto& device) { return device.streams.empty(); }));
    EXPECT_FALSE(topology.devices.empty());
}

TEST(DeviceTreeSurvey, AcpiTablesCountAndTheTreeLosesNoUnit) {
    Machine machine = machine_of("qemu11-virt-smmuv3.dtb");
    machine.has_dmar = true;
    machine.dmar.drhd(0xfed90000, true, {});
    const Topology topology = machine.survey("smmu vtd");
    ASSERT_EQ(topology.units.size(), 1u);
    EXPECT_EQ(topology.units[0].kind, UnitKind::vtd);
    EXPECT_NE(finding_of(topology, "dtb-not-read"), nullptr);
    const auto* left_out = finding_of(topology, "dtb-unit-not-in-tables");
    ASSERT_NE(left_out, nullptr);
    EXPECT_EQ(left_out->severity, topology::Severity::error);
}

TEST(DeviceTreeSurvey, ReservedMemoryIsNoPlainMemory) {
    Machine machine = machine_of("synth-board1.dtb");
    machine.ram = {{PhysAddr{0x40000000}, PhysAddr{0x4fffffff}}};
    const Topology topology = machine.survey("smmu armsmmuv3 smmu armsmmu smmu virtio device mem:10502000 host");
    const auto& grants = device_of(topology, block(0x10502000, 0))->grants;
    ASSERT_FALSE(grants.empty());
    for (const Grant& grant : grants) {
        EXPECT_EQ(grant.kind, Grant::Kind::startup);
        EXPECT_FALSE(grant.range.contains(PhysAddr{0x40000000})) << "firmware's";
    }
}

// Every unit of the index that is on is one of the topology's, a cache of one, or said to be out of reach; every master
// that is on and has registers is a device, contained when all the units that it names are there.
TEST(DeviceTreeSurvey, EveryTreeOfTheIndex) {
    const auto rows = test::tree_index();
    EXPECT_EQ(rows.size(), 28u);
    std::size_t contained = 0, open = 0;
    for (const auto& [file, row] : rows) {
        SCOPED_TRACE(row);
        Machine machine = machine_of(file);
        const auto tree = firmware::parse_device_tree(machine.device_tree);
        ASSERT_TRUE(tree);
        const Topology topology = machine.survey();
        const auto is_there = [&](const firmware::TreeUnit& unit) { return unit.enabled && !unit.registers.empty(); };
        std::size_t units = std::size_t(std::ranges::count_if(
            tree->units, [](const firmware::TreeUnit& unit) { return unit.enabled && unit.registers.empty(); }));
        for (const topology::Unit& unit : topology.units) units += 1 + unit.caches.size();
        EXPECT_EQ(units, test::count_of(row, "iommus_enabled"));
        for (const firmware::TreeMaster& master : tree->masters) {
            if (!master.enabled || master.host || master.registers.empty()) continue;
            const auto device = std::ranges::find_if(topology.devices, [&](const topology::Device& one) {
                return one.id == topology::DeviceId(block(master.registers[0].first.value, master.registers[0].length()));
            });
            ASSERT_NE(device, topology.devices.end()) << master.path;
            const bool is_contained =
                std::ranges::all_of(master.streams, [&](const auto& stream) { return is_there(tree->units[stream.unit]); }) &&
                std::ranges::all_of(master.maps, [&](const auto& map) { return is_there(tree->units[map.stream.unit]); }) &&
                !(master.streams.empty() && master.maps.empty());
            EXPECT_EQ(!device->streams.empty(), is_contained) << master.path;
            EXPECT_TRUE(!is_contained || device->streams.size() >= master.streams.size());
            ++(is_contained ? contained : open);
        }
    }
    EXPECT_GT(contained, 150u);
    EXPECT_GT(open, 4u);
}

TEST(DeviceTreeSurvey, DamagedTreeIsAnError) {
    Machine machine = machine_of("malformed/dtb-half.dtb");
    const Topology topology = machine.survey("smmu armsmmuv3");
    EXPECT_NE(finding_of(topology, "dtb-refused"), nullptr);
    EXPECT_NE(finding_of(topology, "no-units"), nullptr);
}

}  // namespace
}  // namespace smmu::survey

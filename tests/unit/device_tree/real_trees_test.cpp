// SPDX-License-Identifier: Apache-2.0
// Every device tree of tests/data/dtb gives the counts of its index, and what a person reads in some of them.
#include <gtest/gtest.h>

#include <algorithm>

#include "trees.hpp"

namespace smmu::firmware {
namespace {

using topology::UnitKind;

using test::at_path;
using test::has_finding;
using test::tree_of;

TEST(RealTrees, GiveTheCountsOfTheIndex) {
    const auto rows = test::tree_index();
    EXPECT_EQ(rows.size(), 28u);
    for (const auto& [file, row] : rows) {
        SCOPED_TRACE(row);
        const DeviceTree tree = tree_of(file);
        std::size_t masters = 0, specifiers = 0, entries = 0, msi_entries = 0, addresses = 0;
        for (const TreeMaster& master : tree.masters) {
            masters += master.streams.empty() ? 0u : 1u;
            specifiers += master.streams.size();
            entries += master.maps.size();
        }
        for (const PciHost& host : tree.hosts) {
            entries += host.maps.size();
            msi_entries += host.msi_maps.size();
        }
        for (const ReservedRegion& region : tree.reserved) addresses += region.addresses.size();
        EXPECT_EQ(tree.units.size(), test::count_of(row, "iommus"));
        EXPECT_EQ(std::size_t(std::ranges::count(tree.units, true, &TreeUnit::enabled)), test::count_of(row, "iommus_enabled"));
        EXPECT_EQ(masters, test::count_of(row, "masters"));
        EXPECT_EQ(specifiers, test::count_of(row, "specifiers"));
        // A boot loader fills in what maps nothing (fsl-mc).
        entries += std::size_t(std::ranges::count(tree.findings, "dtb-map-empty", &topology::Finding::id));
        EXPECT_EQ(entries, test::count_of(row, "iommu_map_entries"));
        EXPECT_EQ(msi_entries, test::count_of(row, "msi_map_entries"));
        EXPECT_EQ(addresses, test::count_of(row, "iommu_addresses"));
        EXPECT_EQ(tree.reserved.size(), test::count_of(row, "reserved_memory"));
        EXPECT_EQ(tree.reservations.size(), test::count_of(row, "memrsv"));
        for (const TreeUnit& unit : tree.units) EXPECT_NE(unit.family, "unknown") << unit.path;
    }
}

TEST(RealTrees, UnitsHaveKindFamilyAndRegisters) {
    const DeviceTree sdm845 = tree_of("debian6.12-sdm845-db845c.dtb");
    EXPECT_EQ(sdm845.units[0].kind, UnitKind::smmuv2);
    EXPECT_EQ(sdm845.units[0].family, "qcom-smmu-v2");
    EXPECT_EQ(sdm845.units[1].family, "qcom-smmu-500");
    EXPECT_EQ(tree_of("debian7.2-tegra194-p2972-0000.dtb").units[0].family, "nvidia-smmu-500");
    EXPECT_EQ(tree_of("debian7.2-fvp-base-revc.dtb").units[0].kind, UnitKind::smmuv3);
    EXPECT_EQ(tree_of("qemu11-riscv-iommu-sys.dtb").units[0].kind, UnitKind::riscv);
    EXPECT_EQ(tree_of("debian7.2-armada-7040-db.dtb").units[0].family, "marvell-smmu-500");
    const DeviceTree virtio = tree_of("qemu11-virt-virtio-iommu.dtb");
    EXPECT_EQ(virtio.units[0].kind, UnitKind::virtio);
    EXPECT_TRUE(virtio.units[0].registers.empty());
    EXPECT_FALSE(has_finding(virtio, "dtb-unit-no-registers"));
    const DeviceTree crd = tree_of("debian7.2-x1e80100-crd.dtb");
    const TreeUnit& unit = at_path(crd.units, "/soc@0/iommu@15000000");
    ASSERT_EQ(unit.registers.size(), 1u);
    EXPECT_EQ(unit.registers[0], (PhysRange{PhysAddr{0x15000000}, PhysAddr{0x150fffff}}));
    EXPECT_EQ(unit.stream_cells, 2u);
    EXPECT_FALSE(at_path(crd.units, "/soc@0/iommu@15400000").enabled);  // reserved: somebody else drives it
}

TEST(RealTrees, UnitsThatNobodyDrivesAreNamed) {
    const auto family = [](const std::string& file) {
        const DeviceTree tree = tree_of(file);
        EXPECT_EQ(tree.units.back().kind, UnitKind::unsupported);
        return tree.units.back().family;
    };
    EXPECT_EQ(family("debian7.2-rk3588-rock-5b.dtb"), "rockchip");
    EXPECT_EQ(family("debian7.2-mt8173-evb.dtb"), "mediatek");
    EXPECT_EQ(family("debian7.2-exynos7870-a2corelte.dtb"), "exynos");
    EXPECT_EQ(family("debian7.2-apq8016-sbc.dtb"), "qcom-iommu");
    EXPECT_EQ(family("debian7.2-tegra210-p2371-0000.dtb"), "tegra-mc");
    EXPECT_EQ(family("t8103-j274.dtb"), "dart");
}

TEST(RealTrees, IpmmuCachesKnowTheirMainUnit) {
    const DeviceTree tree = tree_of("debian7.2-r8a77951-salvator-xs.dtb");
    const TreeUnit& cache = at_path(tree.units, "/soc/iommu@e7740000");
    ASSERT_TRUE(cache.main_unit);
    EXPECT_EQ(tree.units[*cache.main_unit].path, "/soc/iommu@e67b0000");
    EXPECT_EQ(cache.main_number, 1u);
    ASSERT_EQ(cache.power_domains.size(), 1u);
    EXPECT_EQ(cache.power_domains[0].number, 32u);
    EXPECT_FALSE(at_path(tree.units, "/soc/iommu@e67b0000").main_unit);
    EXPECT_EQ(std::ranges::count_if(tree.units, [](const TreeUnit& unit) { return !unit.main_unit; }), 1);
}

TEST(RealTrees, MapsOfBothFormsOfOneBoard) {
    const DeviceTree old_form = tree_of("debian6.12-qcs6490-rb3gen2.dtb");
    const DeviceTree new_form = tree_of("debian7.2-qcs6490-rb3gen2.dtb");
    const auto with_map = std::ranges::find_if(old_form.hosts, [](const PciHost& host) { return !host.maps.empty(); });
    ASSERT_NE(with_map, old_form.hosts.end());
    for (const PciHost& host : {*with_map, at_path(new_form.hosts, with_map->path)}) {
        ASSERT_GE(host.maps.size(), 2u);
        EXPECT_EQ(host.maps[0].stream.id, 0x1c80u);
        EXPECT_EQ(host.maps[1].first, 0x100u);
        EXPECT_EQ(host.maps[1].last, 0x100u);
        EXPECT_EQ(host.maps[1].stream.id, 0x1c81u);
        EXPECT_EQ(host.maps[1].stream.mask, 0u);
    }
}

TEST(RealTrees, EmulatedBoard) {
    const DeviceTree tree = tree_of("qemu11-virt-smmuv3.dtb");
    ASSERT_EQ(tree.hosts.size(), 1u);
    const PciHost& host = tree.hosts[0];
    ASSERT_TRUE(host.window);
    EXPECT_EQ(host.window->base, PhysAddr{0x4010000000});
    EXPECT_EQ(host.window->segment, 0);
    EXPECT_EQ(host.window->last_bus, 255);
    ASSERT_EQ(host.maps.size(), 1u);
    EXPECT_EQ(host.maps[0].last, 0xffffu);
    ASSERT_EQ(host.msi_maps.size(), 1u);
    EXPECT_EQ(tree.msi_controllers[host.msi_maps[0].controller].kind, MsiKind::its);
    EXPECT_EQ(tree.memory, (std::vector<PhysRange>{{PhysAddr{0x40000000}, PhysAddr{0x47ffffff}}}));
    EXPECT_TRUE(tree.units[0].coherent);
    ASSERT_EQ(tree.interrupt_controllers.size(), 1u);
    EXPECT_EQ(tree.interrupt_controllers[0].registers.size(), 2u);
    EXPECT_TRUE(tree.findings.empty());
}

TEST(RealTrees, ConfigurationSpaceBeginsAtTheFirstBus) {
    const DeviceTree tree = tree_of("debian7.2-fsl-ls1028a-rdb.dtb");
    const auto ecam = std::ranges::find_if(tree.hosts, [](const PciHost& host) { return host.window.has_value(); });
    ASSERT_NE(ecam, tree.hosts.end());
    EXPECT_EQ(ecam->window->base, PhysAddr{0x1f0000000});
    EXPECT_EQ(ecam->window->last_bus, 0);  // bus-range <0 0>
}

TEST(SyntheticTree, MastersInEveryShape) {
    const DeviceTree tree = tree_of("synth-board1.dtb");
    const TreeMaster& display = at_path(tree.masters, "/display@10400000");
    ASSERT_EQ(display.streams.size(), 2u);
    EXPECT_EQ(display.streams[1].id, 0x401u);
    EXPECT_EQ(display.streams[1].mask, 0x7f80u);
    const TreeMaster& two_units = at_path(tree.masters, "/display@10410000");
    ASSERT_EQ(two_units.streams.size(), 2u);
    EXPECT_EQ(two_units.streams[0].mask, 1u);
    EXPECT_EQ(tree.units[two_units.streams[1].unit].kind, UnitKind::virtio);
    const TreeMaster& usb = at_path(tree.masters, "/usb@10420000");
    EXPECT_EQ(usb.streams[0].mask, 0x7f80u);  // the unit's own
    EXPECT_FALSE(tree.units[usb.streams[0].unit].enabled);
    EXPECT_FALSE(at_path(tree.masters, "/dma@10501000").enabled);
    EXPECT_EQ(at_path(tree.masters, "/bus@0/eth@1000").registers,
              (std::vector<PhysRange>{{PhysAddr{0x60001000}, PhysAddr{0x600010ff}}}));
    const TreeMaster& function = at_path(tree.masters, "/pcie@11000000/ep@0,0");
    EXPECT_EQ(function.host, std::size_t{0});
    EXPECT_EQ(function.devfn, 0);
}

TEST(SyntheticTree, MapsOfMixedWidthsAndReservedAddresses) {
    const DeviceTree tree = tree_of("synth-board1.dtb");
    const PciHost& host = tree.hosts.at(0);
    EXPECT_EQ(host.map_mask, 0xfff8u);
    EXPECT_TRUE(host.translates_itself);
    ASSERT_EQ(host.maps.size(), 3u);
    EXPECT_EQ(host.maps[0].stream.id, 0x10000u);
    EXPECT_EQ(host.maps[1].first, 8u);
    EXPECT_EQ(host.maps[1].stream.id, 0x20u);
    EXPECT_EQ(host.maps[2].last, 0xfffu);
    ASSERT_TRUE(host.window);
    EXPECT_EQ(host.window->last_bus, 15);
    const ReservedRegion& hole = at_path(tree.reserved, "/reserved-memory/iova-hole");
    EXPECT_TRUE(hole.ranges.empty());
    ASSERT_EQ(hole.addresses.size(), 2u);
    EXPECT_EQ(hole.addresses[1].range, (IovaRange{Iova{0x10000000000}, Iova{0xfffffffeffffffff}}));
    const ReservedRegion& moved = at_path(tree.reserved, "/reserved-memory/log@42000000");
    EXPECT_EQ(moved.addresses[0].device, "/usb@10420000");
    EXPECT_EQ(moved.addresses[0].range.first, Iova{0xf0000000});
    EXPECT_EQ(moved.ranges[0].first, PhysAddr{0x42000000});
}

}  // namespace
}  // namespace smmu::firmware

// SPDX-License-Identifier: Apache-2.0
// PCI functions as sysfs shows them: configuration space, and the kernel's drivers.
#include <gmock/gmock.h>

#include <array>

#include "fake_host.hpp"
#include "platform/linux/host_drivers.hpp"
#include "platform/linux/pci_files.hpp"

namespace smmu::platform::linux {
namespace {

using test::FakeHost;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::uint32_t absent = ~std::uint32_t{0};
constexpr PciFunction edu{0, 0, 3 << 3}, bridged{0, 1, 2}, other_segment{1, 0, 3 << 3};

std::string config_of(PciFunction function) { return std::string(pci_folder) + "/" + name_of(function) + "/config"; }

// A function whose dword at each offset is id + offset.
void add(const FakeHost& host, PciFunction function, std::uint32_t id, std::uint32_t bytes = 256) {
    host.make_room(config_of(function), bytes);
    for (std::uint32_t offset = 0; offset < bytes; offset += 8)
        host.write_at(config_of(function), offset, (std::uint64_t{id + offset + 4} << 32) | (id + offset));
}

TEST(PciNames, BothWays) {
    EXPECT_EQ(name_of({0xffff, 0xfe, 0xff}), "ffff:fe:1f.7");
    const auto function = function_named("0001:3b:1f.5");
    ASSERT_TRUE(function);
    EXPECT_EQ(function->segment, 1);
    EXPECT_EQ(function->bus, 0x3b);
    EXPECT_EQ(function->devfn, 0x1f << 3 | 5);
    for (const char* const name : {"", "0000:00:03", "0000:00:03.8", "0000:00:20.0", "10000:00:03.0", "0000:0g:03.0", "0000-00:03.0",
                                   "-001:00:03.0", "0000:00:03.00"})
        EXPECT_FALSE(function_named(name)) << name;
}

TEST(PciFiles, ReadsManyFunctionsAndManyDwords) {
    const FakeHost host;
    add(host, edu, 0x10000);
    add(host, bridged, 0x20000);
    PciFiles config(host.files());
    const std::array functions{edu, PciFunction{0, 0, 4 << 3}, bridged, other_segment};
    std::array<std::uint32_t, 4> ids{};
    config.read(functions, 8, ids);
    EXPECT_THAT(ids, ElementsAre(0x10008, absent, 0x20008, absent));
    std::array<std::uint32_t, 3> dwords{};
    config.read(edu, 0x20, dwords);
    EXPECT_THAT(dwords, ElementsAre(0x10020, 0x10024, 0x10028));
}

TEST(PciFiles, NothingBehindTheEnd) {
    const FakeHost host;
    add(host, edu, 0x10000);
    PciFiles config(host.files());
    std::array<std::uint32_t, 3> dwords{};
    config.read(edu, 252, dwords);
    EXPECT_THAT(dwords, ElementsAre(0x100fc, absent, absent));
    EXPECT_EQ(config.read32(edu, 4092), absent);
    EXPECT_EQ(config.read32(other_segment, 0), absent);
}

TEST(PciFiles, WritesOfEveryWidth) {
    const FakeHost host;
    add(host, edu, 0);
    PciFiles config(host.files());
    config.write(edu, 4, 2, 0x11110406);
    EXPECT_EQ(config.read32(edu, 4), 0x0406u) << "and not the status behind it";
    config.write(edu, 0x3c, 1, 0xab);
    config.write(edu, 0x40, 4, 0x12345678);
    EXPECT_EQ(host.word_at(config_of(edu), 0x3c), 0x12345678000000abu);
    config.write(bridged, 4, 2, 6);  // is not there
    EXPECT_EQ(config.read32(bridged, 4), absent);
}

TEST(PciFiles, AFunctionThatComesLater) {
    const FakeHost host;
    PciFiles config(host.files());
    EXPECT_EQ(config.read32(edu, 0), absent);
    add(host, edu, 0x10000);
    EXPECT_EQ(config.read32(edu, 0), 0x10000u);
}

TEST(HostDrivers, WhatHangsOnAFunction) {
    const FakeHost host;
    const std::string devices = "/sys/devices/pci0000:00";
    const std::string disk = devices + "/0000:00:1c.0/0000:01:00.2";
    add(host, edu, 0);
    add(host, bridged, 0);
    host.link("/sys/bus/pci/devices/0000:01:00.2/driver", "../../../../bus/pci/drivers/nvme");
    host.write(disk + "/nvme/nvme0/nvme0n1/dev", "259:0\n");
    host.write(disk + "/nvme/nvme0/nvme0n1/nvme0n1p2/dev", "259:2\n");
    host.folder(devices + "/0000:00:03.0/net/eth0");
    host.folder("/sys/devices/virtual/net/lo");
    host.link("/sys/class/block/nvme0n1", "../../.." + disk + "/nvme/nvme0/nvme0n1");
    host.link("/sys/class/block/nvme0n1p2", "../../.." + disk + "/nvme/nvme0/nvme0n1/nvme0n1p2");
    host.link("/sys/class/net/eth0", "../../.." + devices + "/0000:00:03.0/net/eth0");
    host.link("/sys/class/net/lo", "../../../sys/devices/virtual/net/lo");
    host.write("/proc/self/mountinfo", "21 1 0:20 / /proc rw - proc proc rw\n22 1 259:2 / / rw,noatime - ext4 /dev/nvme0n1p2 rw\n"
                                       "23 1 259:2 /srv /srv rw - ext4 /dev/nvme0n1p2 rw\n");

    const auto drivers = host_drivers(host.files());
    ASSERT_EQ(drivers.size(), 1u) << "eth0's function has no driver here";
    EXPECT_EQ(name_of(drivers[0].function), "0000:01:00.2");
    EXPECT_EQ(drivers[0].driver, "nvme");
    EXPECT_THAT(drivers[0].uses, ElementsAre("nvme0n1", "nvme0n1p2: /"));

    host.link("/sys/bus/pci/devices/0000:00:03.0/driver", "../../../../bus/pci/drivers/e1000e");
    EXPECT_THAT(host.open()->host_drivers().front().uses, ElementsAre("eth0"));
}

// As an Arm board has them: eMMC below a bus, Ethernet, USB by a child of the controller, and one that ACPI describes.
TEST(HostDrivers, DevicesOfABoard) {
    const FakeHost host;
    const std::string devices = "/sys/devices/platform/soc/";
    const auto driven = [&](const std::string& path, const std::string& driver, bool in_tree) {
        const std::string name = path.substr(path.rfind('/') + 1);
        host.link(devices + path + "/driver", "../../../../bus/platform/drivers/" + driver);
        if (in_tree) host.link(devices + path + "/of_node", "../../../../firmware/devicetree/base/soc/x");
        host.link("/sys/bus/platform/devices/" + name, "../../../devices/platform/soc/" + path);
    };
    driven("ee140000.mmc", "renesas_sdhi", true);
    driven("e6800000.ethernet", "ravb", true);
    driven("ee000000.usb", "xhci-rcar", true);
    driven("ee000000.usb/xhci-hcd.0.auto", "xhci-hcd", false);
    driven("soc.1", "simple-bus", true);
    driven("LNRO0005:00", "net", false);
    host.write(devices + "LNRO0005:00/firmware_node/path", "\\_SB_.NET0\n");
    host.link("/sys/bus/platform/devices/fe000000.idle/of_node", "../../../firmware/devicetree/base/soc/idle");
    host.write(devices + "ee140000.mmc/mmc_host/mmc0/mmc0:0001/block/mmcblk0/mmcblk0p1/dev", "179:1\n");
    host.link("/sys/class/block/mmcblk0p1", "../../devices/platform/soc/ee140000.mmc/mmc_host/mmc0/mmc0:0001/block/mmcblk0/mmcblk0p1");
    host.write(devices + "ee000000.usb/xhci-hcd.0.auto/usb1/1-1/host0/block/sda/dev", "8:0\n");
    host.link("/sys/class/block/sda", "../../devices/platform/soc/ee000000.usb/xhci-hcd.0.auto/usb1/1-1/host0/block/sda");
    host.write("/proc/self/mountinfo", "22 1 179:1 / / rw,noatime - ext4 /dev/mmcblk0p1 rw\n");

    const auto blocks = host_blocks(host.files());
    ASSERT_EQ(blocks.size(), 4u);
    EXPECT_EQ(blocks[0].acpi_path, "\\_SB_.NET0");
    EXPECT_EQ(blocks[0].registers, std::nullopt);
    EXPECT_EQ(blocks[1].registers, PhysAddr{0xe6800000});
    EXPECT_EQ(blocks[1].driver, "ravb");
    EXPECT_EQ(blocks[2].registers, PhysAddr{0xee000000});
    EXPECT_THAT(blocks[2].uses, ElementsAre("sda")) << "its child drives the disk";
    EXPECT_EQ(blocks[3].driver, "renesas_sdhi");
    EXPECT_THAT(blocks[3].uses, ElementsAre("mmcblk0p1: /"));
}

// The disk of a controller that is ready for several ways lies below no function, and a volume on it even less.
TEST(HostDrivers, ADiskWithSeveralWaysAndAVolumeOnIt) {
    const FakeHost host;
    const std::string controller = "/sys/devices/pci0000:00/0000:00:1c.0/0000:01:00.2/nvme/nvme0";
    const std::string subsystem = "/sys/devices/virtual/nvme-subsystem/nvme-subsys0", volume = "/sys/devices/virtual/block/dm-0";
    add(host, bridged, 0);
    host.link("/sys/bus/pci/devices/0000:01:00.2/driver", "../../../../bus/pci/drivers/nvme");
    host.write(controller + "/nvme0c0n1/hidden", "1\n");
    host.write(subsystem + "/nvme0n1/hidden", "0\n");
    host.write(subsystem + "/nvme0n1/nvme0n1p1/dev", "259:1\n");
    host.link(subsystem + "/nvme0", "../../../../.." + controller);
    host.write(volume + "/dev", "254:0\n");
    host.folder(volume + "/slaves/nvme0n1p1");
    host.link("/sys/class/block/dm-0", "../../.." + volume);
    host.link("/sys/class/block/nvme0c0n1", "../../.." + controller + "/nvme0c0n1");
    host.link("/sys/class/block/nvme0n1", "../../.." + subsystem + "/nvme0n1");
    host.link("/sys/class/block/nvme0n1p1", "../../.." + subsystem + "/nvme0n1/nvme0n1p1");
    host.write("/proc/self/mountinfo", "22 1 254:0 / / rw,noatime - ext4 /dev/mapper/root rw\n");

    const auto drivers = host_drivers(host.files());
    ASSERT_EQ(drivers.size(), 1u);
    EXPECT_THAT(drivers[0].uses, ElementsAre("dm-0: /", "nvme0n1", "nvme0n1p1"));
}

TEST(HostDrivers, AMachineWithoutAny) {
    const FakeHost host;
    EXPECT_THAT(host_drivers(host.files()), IsEmpty());
}

}  // namespace
}  // namespace smmu::platform::linux

// SPDX-License-Identifier: Apache-2.0
#include "daemon/host_devices.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "config/parse.hpp"

namespace smmu::daemon {
namespace {

using topology::PciAddress;

constexpr PciAddress disk{0, 0, 3, 0}, network{0, 1, 0, 1}, port{0, 0, 1, 0};

class HostDevices : public testing::Test {
protected:
    HostDevices() {
        topology::Unit unit;
        unit.registers = {{0xfed90000}, {0xfed90fff}};
        topology.units.push_back(unit);
        for (const PciAddress& address : {port, disk, network}) {
            topology::PciFunction function;
            function.address = address;
            function.bus_master = true;
            pci.functions.push_back(function);
            topology::Device device;
            device.id = address;
            device.streams = {{UnitId{0}, address.requester_id(), {}}};
            device.is_bridge = address == port;
            topology.devices.push_back(device);
        }
        drivers = {{{0, 0, 8}, "pcieport", {}}, {{0, 0, 0x18}, "nvme", {"nvme0n1p2: /"}}, {{0, 1, 1}, "e1000e", {"eth0", "eth1"}}};
    }

    std::vector<std::string> refused(const std::string& text) {
        std::istringstream stream(text);
        const std::vector<std::string> words{std::istream_iterator<std::string>(stream), {}};
        const auto parsed = config::parse(words, nullptr, config::Edition::plain);
        EXPECT_TRUE(parsed.errors.empty());
        std::vector<std::string> names;
        for (const HostDevice& device : refused_host_devices(drivers, pci, topology, parsed.configuration))
            names.push_back(topology::to_string(device.id));
        return names;
    }

    topology::PciTree pci;
    topology::Topology topology;
    std::vector<platform::HostDriver> drivers;
};

TEST_F(HostDevices, ThoseOfTheKernelsDriversAreNamed) {
    EXPECT_THAT(refused("smmu vtd"), testing::ElementsAre("0000:00:03.0", "0000:01:00.1"));
    const auto devices = refused_host_devices(drivers, pci, topology, config::defaults(config::Edition::plain));
    const std::string text = host_devices_text(devices);
    EXPECT_THAT(text, testing::HasSubstr("0000:00:03.0 is used by nvme, with nvme0n1p2: /: add `device 0000:00:03.0 host`"));
    EXPECT_THAT(text, testing::HasSubstr("e1000e, with eth0, eth1"));
}

TEST_F(HostDevices, ALineOfTheConfigurationSaysWhatIsWanted) {
    EXPECT_THAT(refused("device 0000:00:03.0 host device 0000:01:00.1 blocked"), testing::IsEmpty());
    EXPECT_THAT(refused("uncontained accept 0xfed90000"), testing::IsEmpty()) << "its unit is left alone";
}

TEST_F(HostDevices, OthersAreNotRefused) {
    pci.functions[1].bus_master = false;
    topology.devices[2].streams.clear();
    EXPECT_THAT(refused(""), testing::IsEmpty());
}

TEST_F(HostDevices, DriversThatHandTheirDeviceOn) {
    drivers[1].driver = "vfio-pci";
    drivers[2].driver = "uio_pci_generic";
    EXPECT_THAT(refused(""), testing::IsEmpty());
}

TEST_F(HostDevices, ThoseOnNoBus) {
    const auto add = [&](topology::DeviceId id) {
        topology::Device device;
        device.id = std::move(id);
        device.streams = {{UnitId{0}, StreamId{7}, {}}};
        topology.devices.push_back(device);
    };
    add(topology::MmioBlock{{0xee140000}, 0x2000});
    add(topology::MmioBlock{{0xe6800000}, 0x800});
    add(topology::AcpiName{"\\_SB.NET0"});
    const platform::HostBlock blocks[] = {{PhysAddr{0xee140000}, "", "renesas_sdhi", {"mmcblk0p1: /"}},
                                          {PhysAddr{0xe6800000}, "", "vfio-platform", {}},
                                          {PhysAddr{0xfe000000}, "", "serial", {}},
                                          {std::nullopt, "\\_SB_.NET0", "net", {}},
                                          {std::nullopt, "\\_SB_.NET1", "net", {}}};
    auto configuration = config::defaults(config::Edition::plain);
    const auto names = [&] {
        std::vector<std::string> found;
        for (const HostDevice& device : refused_host_devices(blocks, topology, configuration)) found.push_back(topology::to_string(device.id));
        return found;
    };
    EXPECT_THAT(names(), testing::ElementsAre("mem:0xee140000,0x2000", "acpi:\\_SB.NET0"));
    topology.devices.back().streams.clear();
    EXPECT_THAT(names(), testing::ElementsAre("mem:0xee140000,0x2000"));
    topology.units[0].answers = false;
    EXPECT_THAT(names(), testing::IsEmpty());
}

TEST_F(HostDevices, AUnitThatDoesNotAnswerRefusesNothing) {
    topology.units[0].answers = false;
    EXPECT_THAT(refused(""), testing::IsEmpty());
}

}  // namespace
}  // namespace smmu::daemon

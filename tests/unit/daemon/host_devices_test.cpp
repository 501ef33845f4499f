// SPDX-License-Identifier: Apache-2.0
// Which of the host's devices a start would cut off.
#include "daemon/host_devices.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace smmu::daemon {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr topology::PciAddress disk{0, 1, 0, 0}, network{0, 2, 3, 1};
constexpr platform::PciFunction disk_function{0, 1, 0}, network_function{0, 2, 3 << 3 | 1};

// A machine with a disk and a network card behind a unit, both doing DMA.
class HostDevices : public testing::Test {
protected:
    HostDevices() {
        for (const topology::PciAddress& address : {disk, network}) {
            topology::PciFunction& function = pci_.functions.emplace_back();
            function.address = address;
            function.bus_master = true;
            topology::Device& device = topology_.devices.emplace_back();
            device.id = address;
            device.streams.push_back({UnitId(0), address.requester_id(), {}});
        }
    }
    void name(const topology::PciAddress& address) { configuration_.devices.emplace_back().id = address; }
    std::vector<std::string> cut_off() const { return devices_cut_off(drivers_, pci_, topology_, configuration_); }

    std::vector<platform::HostDriver> drivers_ = {{disk_function, "nvme", {"nvme0n1", "nvme0n1p2: /"}}, {network_function, "e1000e", {}}};
    topology::PciTree pci_;
    topology::Topology topology_;
    config::Configuration configuration_;
};

TEST_F(HostDevices, AreListedWithWhatHangsOnThem) {
    EXPECT_THAT(cut_off(), ElementsAre(AllOf(HasSubstr("0000:01:00.0 is used by nvme, with nvme0n1, nvme0n1p2: /: "),
                                             HasSubstr("`device 0000:01:00.0 host`"), HasSubstr("`device 0000:01:00.0 blocked`")),
                                       HasSubstr("0000:02:03.1 is used by e1000e: add")));
}

TEST_F(HostDevices, ThatTheUserNamesAreTheUsersAffair) {
    name(disk);
    EXPECT_THAT(cut_off(), ElementsAre(HasSubstr("0000:02:03.1")));
    name(network);
    EXPECT_THAT(cut_off(), IsEmpty());
}

TEST_F(HostDevices, OfDriversThatHandThemToPrograms) {
    drivers_[0].driver = "vfio-pci";
    drivers_[1].driver = "uio_pci_generic";
    EXPECT_THAT(cut_off(), IsEmpty());
}

TEST_F(HostDevices, ThatLoseNothing) {
    pci_.functions[0].bus_master = false;
    pci_.functions[1].is_bridge = true;
    EXPECT_THAT(cut_off(), IsEmpty()) << "no DMA of their own";
    pci_.functions[0].bus_master = true;
    topology_.devices[0].streams.clear();
    EXPECT_THAT(cut_off(), IsEmpty()) << "behind no unit";
    topology_.devices.clear();
    EXPECT_THAT(cut_off(), IsEmpty()) << "unknown to the topology";
    pci_.functions.clear();
    EXPECT_THAT(cut_off(), IsEmpty()) << "gone";
}

}  // namespace
}  // namespace smmu::daemon

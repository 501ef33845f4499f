// SPDX-License-Identifier: Apache-2.0
#include "client/device_name.hpp"

#include <smmu_ext.h>

#include <cerrno>

namespace smmu::client {
namespace {

using protocol::any_field;
using protocol::Checked;
using protocol::DeviceKind;
using protocol::DeviceName;
using protocol::refuse;

constexpr unsigned any_bus_of_segment = 1u << 24;
static_assert(SMMU_PCI_FIELD_ANY == any_field);

bool beyond(unsigned value, unsigned last) {
    return value > last && value != SMMU_PCI_FIELD_ANY;
}

Checked<DeviceName> pci_to_wire(const smmu_devid_pci& pci) {
    if (beyond(pci.dev, 31) || beyond(pci.func, 7))
        return refuse(EINVAL, "PCI device numbers end at 31, function numbers at 7");
    DeviceName name{};
    name.kind = DeviceKind::pci;
    name.bus = pci.bus;
    name.device = pci.dev;
    name.function = pci.func;
    if (pci.bus == SMMU_PCI_FIELD_ANY) return name;
    name.segment = pci.bus >> 8 & 0xffff;
    name.bus = pci.bus & 0xff;
    if (pci.bus >> 25 != 0)
        return refuse(EINVAL, "PCI bus: not of the form of smmu_pci_segment_bus()");
    if ((pci.bus & any_bus_of_segment) != 0) {
        if (name.bus != 0) return refuse(EINVAL, "PCI bus: any bus and a bus at once");
        name.bus = any_field;
    }
    return name;
}

}  // namespace

Checked<DeviceName> to_wire(const smmu_devid* device) {
    if (device == nullptr) return refuse(EINVAL, "no device is named");
    switch (device->type) {
        case SDT_PCI:
            return pci_to_wire(device->pci);
        case SDT_MMIO: {
            DeviceName name{};
            name.kind = DeviceKind::mmio;
            name.base = device->mmio.phys;
            name.length = device->mmio.length;
            return name;
        }
        default:
            return refuse(EINVAL, "a device is named by SDT_PCI or SDT_MMIO");
    }
}

smmu_devid from_wire(const DeviceName& device) {
    smmu_devid named{};
    switch (device.kind) {
        case DeviceKind::pci:
            named.pci.type = SDT_PCI;
            named.pci.bus = smmu_pci_segment_bus(device.segment, device.bus);
            named.pci.dev = device.device;
            named.pci.func = device.function;
            break;
        case DeviceKind::mmio:
            named.mmio.type = SDT_MMIO;
            named.mmio.length = device.length < ~0u ? unsigned(device.length) : ~0u;
            named.mmio.phys = device.base;
            break;
        default:
            named.type = SDT_NUM_TYPES;
    }
    return named;
}

}  // namespace smmu::client

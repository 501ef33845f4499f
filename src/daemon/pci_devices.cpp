// SPDX-License-Identifier: Apache-2.0
#include "daemon/pci_devices.hpp"

#include <systemd/sd-daemon.h>

#include <cstdio>

#include "pci/gate.hpp"

namespace smmu::daemon {

void PciDevices::bus_master_off(const topology::Device& device) noexcept {
    const auto* address = std::get_if<topology::PciAddress>(&device.id);
    if (address == nullptr || pci::bus_master_off(config_, *address)) return;
    std::fprintf(stderr, SD_WARNING "%s does not give bus mastering up; its streams are blocked all the same\n",
                 topology::to_string(device.id).c_str());
}

void PciDevices::reset(const topology::Device& device) noexcept {
    const auto* address = std::get_if<topology::PciAddress>(&device.id);
    if (address == nullptr) return;
    const Result<void> done = pci::function_reset(config_, clock_, *address);
    // Many functions have no reset; being quiet (bus mastering off) and blocked is what containment rests on.
    if (done || done.error().code == ENOTSUP) return;
    std::fprintf(stderr, SD_WARNING "%s\n", done.error().text.c_str());
}

}  // namespace smmu::daemon

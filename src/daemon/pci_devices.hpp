// SPDX-License-Identifier: Apache-2.0
// PciDevices: what containment asks of devices themselves, done in PCI configuration space.
#pragma once

#include "containment/containment.hpp"
#include "platform/platform.hpp"

namespace smmu::daemon {

class PciDevices final : public containment::DeviceControl {
public:
    PciDevices(platform::PciConfig& config, Clock& clock) : config_(config), clock_(clock) {}

    // MMIO blocks have no such switch: their streams are blocked, which is all there is.
    void bus_master_off(const topology::Device& device) noexcept override;
    void reset(const topology::Device& device) noexcept override;

private:
    platform::PciConfig& config_;
    Clock& clock_;
};

}  // namespace smmu::daemon

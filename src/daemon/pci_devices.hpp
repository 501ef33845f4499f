// SPDX-License-Identifier: Apache-2.0
// PciDevices: what containment asks of devices themselves, done in PCI configuration space.
#pragma once

#include <map>

#include "containment/containment.hpp"
#include "pci/function_reset.hpp"
#include "platform/platform.hpp"

namespace smmu::daemon {

class PciDevices final : public containment::DeviceControl {
public:
    PciDevices(platform::PciConfig& config, Clock& clock) : config_(config), clock_(clock) {}
    PciDevices(const PciDevices&) = delete;
    PciDevices& operator=(const PciDevices&) = delete;
    // Waits for functions that were told to reset, to give them back what they held; their deadline bounds it.
    ~PciDevices() override;

    // MMIO blocks have no such switch: their streams are blocked, which is all there is.
    void bus_master_off(const topology::Device& device) noexcept override;
    // Puts the reset into the queue; nothing is touched before advance().
    void begin_reset(const topology::Device& device) noexcept override;
    bool resetting(const topology::Device& device) const noexcept override;

    // Takes every reset as far as it goes now. To be called every few milliseconds while any is under way.
    void advance() noexcept;
    bool resetting_any() const { return !resets_.empty(); }

private:
    platform::PciConfig& config_;
    Clock& clock_;
    std::map<topology::PciAddress, pci::FunctionReset> resets_;
};

}  // namespace smmu::daemon

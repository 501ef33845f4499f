// SPDX-License-Identifier: Apache-2.0
#include "daemon/pci_devices.hpp"

#include <systemd/sd-daemon.h>

#include <cstdio>

#include "pci/gate.hpp"

namespace smmu::daemon {

namespace {

constexpr Nanoseconds last_poll_pause = std::chrono::milliseconds(5);

// Many functions have no reset; being quiet (bus mastering off) and blocked is what containment rests on.
void report(const Result<void>& outcome) {
    if (outcome || outcome.error().code == ENOTSUP) return;
    std::fprintf(stderr, SD_WARNING "%s\n", outcome.error().text.c_str());
}

}  // namespace

PciDevices::~PciDevices() {
    std::erase_if(resets_, [](const auto& entry) { return !entry.second.initiated(); });
    while (resetting_any()) {
        clock_.pause(last_poll_pause);
        advance();
    }
}

void PciDevices::bus_master_off(const topology::Device& device) noexcept {
    const auto* address = std::get_if<topology::PciAddress>(&device.id);
    if (address == nullptr || pci::bus_master_off(config_, *address)) return;
    std::fprintf(stderr, SD_WARNING "%s does not give bus mastering up; its streams are blocked all the same\n",
                 topology::to_string(device.id).c_str());
}

void PciDevices::begin_reset(const topology::Device& device) noexcept {
    if (const auto* address = std::get_if<topology::PciAddress>(&device.id))
        resets_.try_emplace(*address, config_, *address);
}

bool PciDevices::resetting(const topology::Device& device) const noexcept {
    const auto* address = std::get_if<topology::PciAddress>(&device.id);
    return address != nullptr && resets_.contains(*address);
}

void PciDevices::advance() noexcept {
    const Instant now = clock_.now();
    for (auto it = resets_.begin(); it != resets_.end();) {
        const auto outcome = it->second.advance(now);
        if (outcome) report(*outcome);
        it = outcome ? resets_.erase(it) : std::next(it);
    }
}

}  // namespace smmu::daemon

// SPDX-License-Identifier: Apache-2.0
#include "daemon/host_devices.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace smmu::daemon {

namespace {

bool hands_to_programs(std::string_view driver) { return driver == "vfio-pci" || driver.starts_with("uio"); }

topology::PciAddress address_of(const platform::PciFunction& function) {
    return {function.segment, function.bus, std::uint8_t(function.devfn >> 3), std::uint8_t(function.devfn & 7)};
}

// What the unit would refuse: bridges forward for others, and what is behind no unit is not contained anyway.
bool would_be_refused(const topology::PciAddress& address, const topology::PciTree& pci, const topology::Topology& topology) {
    const topology::PciFunction* const function = pci.find(address);
    if (function == nullptr || !function->bus_master || function->is_bridge) return false;
    const auto device = std::ranges::find(topology.devices, topology::DeviceId(address), &topology::Device::id);
    return device != topology.devices.end() && !device->streams.empty();
}

}  // namespace

std::vector<std::string> devices_cut_off(std::span<const platform::HostDriver> drivers, const topology::PciTree& pci,
                                         const topology::Topology& topology, const config::Configuration& configuration) {
    std::vector<std::string> lines;
    for (const platform::HostDriver& host : drivers) {
        const topology::PciAddress address = address_of(host.function);
        if (hands_to_programs(host.driver) || configuration.find_device(address) != nullptr || !would_be_refused(address, pci, topology))
            continue;
        const std::string name = to_string(topology::DeviceId(address));
        lines.push_back(fmt::format("{} is used by {}{}{}: add `device {} host` to leave it to the kernel, or `device {} blocked`", name,
                                    host.driver, host.uses.empty() ? "" : ", with ", fmt::join(host.uses, ", "), name, name));
    }
    return lines;
}

}  // namespace smmu::daemon

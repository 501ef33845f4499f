// SPDX-License-Identifier: Apache-2.0
#include "daemon/host_devices.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace smmu::daemon {

namespace {

bool hands_on(const std::string& driver) { return driver.starts_with("vfio-") || driver.starts_with("uio"); }

// A unit that stays as it is refuses nothing.
bool is_contained(const topology::Device& device, const topology::Topology& topology, const config::Configuration& configuration) {
    return std::ranges::any_of(device.streams, [&](const topology::Stream& stream) {
        const topology::Unit& unit = topology.unit(stream.unit);
        return unit.answers && !configuration.accepts_uncontained(unit.registers.first);
    });
}

// Names of four letters are filled up with underscores, which firmware may leave out: "\\_SB_.NET0" and "\\_SB.NET0" are one.
std::string without_filling(std::string_view path) {
    std::string plain;
    for (const char c : path) {
        if (c == '.')
            while (plain.ends_with('_')) plain.pop_back();
        plain += c;
    }
    while (plain.ends_with('_')) plain.pop_back();
    return plain;
}

bool is_block(const topology::DeviceId& id, const platform::HostBlock& block) {
    if (const auto* registers = std::get_if<topology::MmioBlock>(&id)) return block.registers == registers->base;
    const auto* name = std::get_if<topology::AcpiName>(&id);
    return name != nullptr && !block.acpi_path.empty() && without_filling(name->path) == without_filling(block.acpi_path);
}

}  // namespace

std::vector<HostDevice> refused_host_devices(std::span<const platform::HostDriver> drivers, const topology::PciTree& pci,
                                             const topology::Topology& topology, const config::Configuration& configuration) {
    std::vector<HostDevice> refused;
    for (const platform::HostDriver& host : drivers) {
        const topology::PciAddress address{host.function.segment, host.function.bus, std::uint8_t(host.function.devfn >> 3),
                                           std::uint8_t(host.function.devfn & 7)};
        const topology::PciFunction* const function = pci.find(address);
        if (hands_on(host.driver) || function == nullptr || !function->bus_master) continue;
        const auto device = std::ranges::find(topology.devices, topology::DeviceId(address), &topology::Device::id);
        if (device == topology.devices.end() || device->is_bridge || configuration.find_device(device->id) != nullptr) continue;
        if (is_contained(*device, topology, configuration)) refused.push_back({device->id, host.driver, host.uses});
    }
    return refused;
}

std::vector<HostDevice> refused_host_devices(std::span<const platform::HostBlock> blocks, const topology::Topology& topology,
                                             const config::Configuration& configuration) {
    std::vector<HostDevice> refused;
    for (const platform::HostBlock& block : blocks) {
        if (hands_on(block.driver)) continue;
        for (const topology::Device& device : topology.devices)
            if (is_block(device.id, block) && configuration.find_device(device.id) == nullptr && is_contained(device, topology, configuration))
                refused.push_back({device.id, block.driver, block.uses});
    }
    return refused;
}

std::string host_devices_text(std::span<const HostDevice> devices) {
    std::string text;
    for (const HostDevice& device : devices) {
        const std::string id = topology::to_string(device.id);
        text += fmt::format("\n  {} is used by {}{}{}: add `device {} host` to leave it to the kernel, or `device {} blocked`", id, device.driver,
                            device.uses.empty() ? "" : ", with ", fmt::join(device.uses, ", "), id, id);
    }
    return text;
}

}  // namespace smmu::daemon

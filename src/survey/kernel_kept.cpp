// SPDX-License-Identifier: Apache-2.0
// Kernel-kept: the machine whose units its own kernel keeps. They are one unit here; which devices go together only that
// kernel knows.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "survey/draft.hpp"

namespace smmu::survey {

using topology::Device;
using topology::PciAddress;
using topology::Severity;
using topology::UnitKind;

namespace {

constexpr const char* groups_folder = "/sys/kernel/iommu_groups";

StreamId stream_of(const PciAddress& address) { return StreamId(std::uint32_t{address.segment} << 16 | raw(address.requester_id())); }

}  // namespace

topology::Topology Draft::take_kernel_kept() {
    topology::Unit kernel;
    kernel.kind = UnitKind::vfio;
    kernel.name = "kernel";
    kernel.origin = {groups_folder};
    topology_.units.push_back(std::move(kernel));
    add_pci_devices();
    add_user_devices();
    std::ranges::sort(topology_.devices, {}, &Device::id);
    for (Device& device : topology_.devices)
        if (const config::DeviceEntry* entry = user_.find_device(device.id)) device.blocked = entry->blocked.has_value();
    form_kernel_groups();
    std::ranges::copy(input_.pci.findings, std::back_inserter(topology_.findings));
    return std::move(topology_);
}

void Draft::form_kernel_groups() {
    std::map<PciAddress, unsigned> number_of;
    for (const KernelGroup& group : input_.kernel_groups)
        for (const PciAddress& member : group.members) number_of.emplace(member, group.number);
    std::map<unsigned, GroupId> known;
    for (std::size_t i = 0; i < topology_.devices.size(); ++i) {
        Device& device = topology_.devices[i];
        const auto* address = std::get_if<PciAddress>(&device.id);
        const auto number = address != nullptr ? number_of.find(*address) : number_of.end();
        GroupId group{std::uint32_t(topology_.groups.size())};
        if (number != number_of.end()) {
            device.streams.push_back({UnitId(0), stream_of(*address), {fmt::format("{}/{}", groups_folder, number->second)}});
            group = known.emplace(number->second, group).first->second;
        } else {
            finding("device-no-group", Severity::warning, device.origin,
                    fmt::format("{} is in no IOMMU group of the kernel: its DMA cannot be contained, and nobody can be given it.", to_string(device.id)));
        }
        if (raw(group) == topology_.groups.size()) topology_.groups.emplace_back();
        device.group = group;
        topology::Group& joined = topology_.groups[raw(group)];
        joined.devices.push_back(DeviceIndex(std::uint32_t(i)));
        if (joined.devices.size() == 2) joined.reason = fmt::format("share IOMMU group {} of the kernel", number->second);
    }
}

}  // namespace smmu::survey

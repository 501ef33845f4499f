// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/given_up.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <thread>

namespace smmu::platform::linux {

namespace {

constexpr std::string_view unit_folder = "/sys/class/iommu";
constexpr std::string_view group_folder = "/sys/kernel/iommu_groups";
constexpr std::chrono::milliseconds time_of_a_change{10};

// "none [integrity] confidentiality": the word in brackets. A kernel without lockdown has no such file, and one that is locked
// down refuses the registers whether this can be read or not.
Result<void> check_lockdown(const HostFiles& files) {
    const auto said = files.text("/sys/kernel/security/lockdown");
    if (!said) return {};
    const auto begin = said->find('['), end = said->find(']');
    if (begin == std::string::npos || end == std::string::npos || end < begin) return {};
    const std::string mode = said->substr(begin + 1, end - begin - 1);
    if (mode == "none") return {};
    return fail(EPERM, fmt::format("kernel lockdown ({}) keeps the units' registers and PCI configuration from everybody; turn Secure Boot "
                                   "off in the firmware's setup, and leave `lockdown=` out of the kernel parameters", mode));
}

// A kernel without IOMMU drivers has no such folder; that is believed only where the folder around it can be read.
Result<std::vector<std::string>> listing_if_any(const HostFiles& files, std::string_view folder) {
    auto names = files.listing(folder);
    if (!names && names.error().code == ENOENT)
        if (files.listing(folder.substr(0, folder.rfind('/')))) return std::vector<std::string>{};
    if (!names)
        return fail(EPERM, fmt::format("whether the kernel drives the IOMMU units cannot be seen ({}): sysfs must be mounted at /sys, and "
                                       "nothing may hide it from smmuman", names.error().text));
    return names;
}

// The number that the text begins with, if `end` follows; nothing else may follow an empty one.
std::optional<PhysAddr> hexadecimal(std::string_view text, std::string_view end) {
    std::uint64_t value = 0;
    const auto [after, problem] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    const std::string_view rest = text.substr(std::size_t(after - text.data()));
    if (problem != std::errc{} || !rest.starts_with(end) || (end.empty() && !rest.empty())) return std::nullopt;
    return PhysAddr{value};
}

// Drivers name their units by where the registers are: "smmu3.0x0000000009050000", or "e67b0000.iommu" after the device tree.
std::optional<PhysAddr> base_in(std::string_view name) {
    if (const auto prefix = name.find(".0x"); prefix != std::string_view::npos) return hexadecimal(name.substr(prefix + 3), "");
    return hexadecimal(name.substr(name.find('@') + 1), ".");  // the whole name when there is no @
}

// VT-d counts its units and tells the address beside.
std::optional<PhysAddr> base_of(const HostFiles& files, const std::string& name) {
    const auto said = files.text(fmt::format("{}/{}/intel-iommu/address", unit_folder, name));
    return said ? hexadecimal(*said, "\n") : base_in(name);
}

bool is_known(const std::vector<KernelUnit>& units, const std::string& name) {
    return std::ranges::find(units, name, &KernelUnit::name) != units.end();
}

// Whether the devices of a group all hang on units that the kernel shows.
bool is_explained(const HostFiles& files, const std::string& group, const std::vector<KernelUnit>& units) {
    const std::string devices = fmt::format("{}/{}/devices", group_folder, group);
    const auto names = files.names(devices);
    return !names.empty() && std::ranges::all_of(names, [&](const std::string& device) {
        return is_known(units, files.link_name(fmt::format("{}/{}/iommu", devices, device)));
    });
}

// vfio makes a group of its own for a device that no unit contains, which is how it hands devices on here.
bool is_of_vfio(const HostFiles& files, const std::string& group) {
    return files.text(fmt::format("{}/{}/name", group_folder, group)).value_or("").starts_with("vfio-noiommu");
}

Result<std::vector<std::string>> unexplained_groups(const HostFiles& files, const std::vector<KernelUnit>& units) {
    SMMU_TRY(auto groups, listing_if_any(files, group_folder));
    std::erase_if(groups, [&](const std::string& group) { return is_of_vfio(files, group) || is_explained(files, group, units); });
    return groups;
}

Result<void> check_groups(const HostFiles& files, const std::vector<KernelUnit>& units) {
    SMMU_TRY(auto groups, unexplained_groups(files, units));
    if (groups.empty()) return {};
    // One that is being made or taken away says nothing of itself yet, or any more: vfio's own while a device is bound to it.
    std::this_thread::sleep_for(time_of_a_change);
    SMMU_TRY(const auto still, unexplained_groups(files, units));
    std::erase_if(groups, [&](const std::string& group) { return std::ranges::find(still, group) == still.end(); });
    if (groups.empty()) return {};
    return fail(EPERM, fmt::format("the kernel has {} IOMMU groups behind no unit that it shows, so a driver of its own contains devices; "
                                   "start it with {} (Intel) or {} (Arm) to leave the units to smmuman",
                                   groups.size(), parameters_against("dmar"), parameters_against("smmu")));
}

Result<void> check_machine(const HostFiles& files, const std::vector<KernelUnit>& units) {
    const auto somewhere = std::ranges::find_if(units, [](const KernelUnit& unit) { return !unit.base; });
    if (somewhere != units.end())
        return fail(EPERM, fmt::format("the kernel drives the IOMMU unit {} and does not say where that is, so it may be any; start it with "
                                       "{} to leave the units to smmuman", somewhere->name, parameters_against(somewhere->name)));
    return check_groups(files, units);
}

}  // namespace

std::string parameters_against(std::string_view unit) {
    if (unit.starts_with("dmar")) return "intel_iommu=off intremap=off";
    if (unit.starts_with("smmu") || unit.starts_with("arm-smmu")) return "initcall_blacklist=arm_smmu_driver_init";
    if (unit.starts_with("ivhd")) return "amd_iommu=off";
    if (unit.starts_with("virtio")) return "initcall_blacklist=virtio_iommu_drv_init";
    if (base_in(unit)) return "initcall_blacklist=ipmmu_driver_init,ipmmu_init (R-Car; elsewhere the name of its driver's start)";
    return "initcall_blacklist= and the name of its driver's start";
}

Result<std::vector<KernelUnit>> kernel_units(const HostFiles& files) {
    SMMU_TRY(const auto names, listing_if_any(files, unit_folder));
    std::vector<KernelUnit> units;
    for (const std::string& name : names) units.push_back({name, base_of(files, name)});
    return units;
}

Result<void> check_given_up(const HostFiles& files) {
    SMMU_CHECK(check_lockdown(files));
    SMMU_TRY(const auto units, kernel_units(files));
    return check_machine(files, units);
}

Result<void> check_given_up(const HostFiles& files, PhysRange registers) {
    SMMU_CHECK(check_lockdown(files));
    SMMU_TRY(const auto units, kernel_units(files));
    for (const KernelUnit& unit : units)
        if (unit.base && registers.contains(*unit.base))
            return fail(EPERM, fmt::format("{:#x}-{:#x}: the kernel drives this unit ({}); start it with {} to leave it to smmuman",
                                           registers.first.value, registers.last.value, unit.name, parameters_against(unit.name)));
    return check_machine(files, units);
}

}  // namespace smmu::platform::linux

// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/given_up.hpp"

#include <fmt/format.h>

namespace smmu::platform::linux {

namespace {

// "none [integrity] confidentiality": the word in brackets. A kernel without lockdown has no such file.
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

// vfio makes a group of its own for a device that no unit contains, which is how it hands devices on here.
std::vector<std::string> groups_of_drivers(const HostFiles& files) {
    constexpr std::string_view folder = "/sys/kernel/iommu_groups";
    std::vector<std::string> groups = files.names(folder);
    std::erase_if(groups, [&](const std::string& group) {
        return files.text(fmt::format("{}/{}/name", folder, group)).value_or("").starts_with("vfio-noiommu");
    });
    return groups;
}

}  // namespace

std::string parameters_against(std::string_view unit) {
    if (unit.starts_with("dmar")) return "intel_iommu=off intremap=off";
    if (unit.starts_with("smmu") || unit.starts_with("arm-smmu")) return "initcall_blacklist=arm_smmu_driver_init";
    if (unit.starts_with("ivhd")) return "amd_iommu=off";
    return "initcall_blacklist= and the name of its driver's start";
}

Result<void> check_given_up(const HostFiles& files) {
    SMMU_CHECK(check_lockdown(files));
    if (const auto units = files.names("/sys/class/iommu"); !units.empty())
        return fail(EPERM, fmt::format("the kernel drives the IOMMU unit {}{}; start it with {} to leave the units to smmuman", units.front(),
                                       units.size() == 1 ? "" : fmt::format(" and {} more", units.size() - 1),
                                       parameters_against(units.front())));
    if (const auto groups = groups_of_drivers(files); !groups.empty())
        return fail(EPERM, fmt::format("the kernel has {} IOMMU groups, so a driver of its own contains devices; start it with {} (Intel) or {} "
                                       "(Arm) to leave the units to smmuman",
                                       groups.size(), parameters_against("dmar"), parameters_against("smmu")));
    return {};
}

}  // namespace smmu::platform::linux

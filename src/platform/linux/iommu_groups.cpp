// SPDX-License-Identifier: Apache-2.0
#include "platform/linux/iommu_groups.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "platform/linux/pci_files.hpp"

namespace smmu::platform::linux {
namespace {

constexpr std::string_view folder = "/sys/kernel/iommu_groups";

std::string line(const HostFiles& files, const std::string& file) {
    std::string text = files.text(file).value_or("");
    if (text.ends_with('\n')) text.pop_back();
    return text;
}

}  // namespace

std::vector<KernelGroup> kernel_groups(const HostFiles& files) {
    std::vector<KernelGroup> groups;
    for (const std::string& name : files.names(folder)) {
        KernelGroup group;
        const auto [end, problem] = std::from_chars(name.data(), name.data() + name.size(), group.number);
        if (problem != std::errc{} || end != name.data() + name.size()) continue;
        const std::string here = fmt::format("{}/{}", folder, name);
        if (line(files, here + "/name").starts_with("vfio-noiommu")) continue;
        group.type = line(files, here + "/type");
        for (const std::string& member : files.names(here + "/devices"))
            if (const auto function = function_named(member))
                group.members.push_back({*function, files.link_name(fmt::format("{}/{}/driver", pci_folder, member))});
        groups.push_back(std::move(group));
    }
    std::ranges::sort(groups, {}, &KernelGroup::number);
    return groups;
}

Result<void> check_kept(const HostFiles& files) {
    if (!kernel_groups(files).empty()) return {};
    return fail(ENOTSUP, "the kernel keeps no IOMMU: start it with intel_iommu=on (Intel; others do it by themselves), or leave `smmu vfio` out and give "
                         "the units to smmuman");
}

}  // namespace smmu::platform::linux

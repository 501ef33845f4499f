// SPDX-License-Identifier: Apache-2.0
#include "firmware/tree_families.hpp"

namespace smmu::firmware {
namespace {

using topology::UnitKind;

// Names as in the bindings of the device tree. A variant of a kind has a name of its own, because its driver has
// something to do differently. Those of kind `unsupported` are known to be units that nobody here drives.
constexpr UnitFamily families[] = {
    {"arm,smmu-v3", UnitKind::smmuv3, "smmuv3"},
    {"nvidia,tegra264-smmu", UnitKind::smmuv3, "smmuv3"},
    {"qcom,*-smmu-500", UnitKind::smmuv2, "qcom-smmu-500"},
    {"qcom,smmu-500", UnitKind::smmuv2, "qcom-smmu-500"},
    {"qcom,*-smmu-v2", UnitKind::smmuv2, "qcom-smmu-v2"},
    {"qcom,smmu-v2", UnitKind::smmuv2, "qcom-smmu-v2"},
    {"nvidia,tegra186-smmu", UnitKind::smmuv2, "nvidia-smmu-500"},
    {"nvidia,tegra194-smmu", UnitKind::smmuv2, "nvidia-smmu-500"},
    {"nvidia,tegra234-smmu", UnitKind::smmuv2, "nvidia-smmu-500"},
    {"nvidia,smmu-500", UnitKind::smmuv2, "nvidia-smmu-500"},
    {"marvell,*-smmu-500", UnitKind::smmuv2, "marvell-smmu-500"},
    {"cavium,smmu-v2", UnitKind::smmuv2, "cavium-smmu-v2"},
    {"arm,mmu-500", UnitKind::smmuv2, "mmu-500"},
    {"arm,mmu-401", UnitKind::smmuv2, "mmu-401"},
    {"arm,mmu-400", UnitKind::smmuv2, "mmu-400"},
    {"arm,smmu-v2", UnitKind::smmuv2, "smmu-v2"},
    {"arm,smmu-v1", UnitKind::smmuv2, "smmu-v1"},
    {"renesas,ipmmu-*", UnitKind::ipmmu, "ipmmu"},
    {"riscv,iommu", UnitKind::riscv, "riscv"},
    {"riscv,pci-iommu", UnitKind::riscv, "riscv-pci"},
    {"virtio,pci-iommu", UnitKind::virtio, "virtio-pci"},
    {"virtio,mmio", UnitKind::virtio, "virtio-mmio"},
    {"rockchip,*iommu", UnitKind::unsupported, "rockchip"},
    {"mediatek,*-m4u", UnitKind::unsupported, "mediatek"},
    {"mediatek,*-iommu", UnitKind::unsupported, "mediatek"},
    {"samsung,exynos-sysmmu", UnitKind::unsupported, "exynos"},
    {"qcom,*-iommu", UnitKind::unsupported, "qcom-iommu"},
    {"qcom,msm-iommu-*", UnitKind::unsupported, "qcom-iommu"},
    {"nvidia,tegra*-smmu", UnitKind::unsupported, "tegra-smmu"},
    {"nvidia,tegra*-mc", UnitKind::unsupported, "tegra-mc"},
    {"apple,*-dart", UnitKind::unsupported, "dart"},
    {"allwinner,*-iommu", UnitKind::unsupported, "allwinner"},
    {"sprd,iommu*", UnitKind::unsupported, "sprd"},
    {"ti,*-iommu", UnitKind::unsupported, "omap"},
};

}  // namespace

bool matches(std::string_view pattern, std::string_view name) {
    const auto star = pattern.find('*');
    if (star == std::string_view::npos) return pattern == name;
    const auto head = pattern.substr(0, star), tail = pattern.substr(star + 1);
    return name.size() >= head.size() + tail.size() && name.starts_with(head) && name.ends_with(tail);
}

std::optional<UnitFamily> family_of(const std::vector<std::string>& compatible) {
    for (const std::string& name : compatible)
        for (const UnitFamily& family : families)
            if (matches(family.pattern, name)) return family;
    return std::nullopt;
}

}  // namespace smmu::firmware

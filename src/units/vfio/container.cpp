// SPDX-License-Identifier: Apache-2.0
#include "units/vfio/container.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace smmu::units::vfio {

Result<void> Container::check(IovaRange range) const {
    const auto addresses = group_->addresses();
    if (addresses.empty()) return {};  // an older kernel, which says no when it is told
    if (std::ranges::any_of(addresses, [&](const IovaRange& possible) { return possible.contains(range); })) return {};
    return fail(ERANGE, fmt::format("device addresses {:#x}-{:#x} are not all the device's: the kernel maps {:#x}-{:#x}, without those that it "
                                    "keeps for interrupts and firmware (/sys/kernel/iommu_groups/*/reserved_regions)",
                                    range.first.value, range.last.value, addresses.front().first.value, addresses.back().last.value));
}

Result<void> Container::check_room(std::span<const IovaRange> unmapped, std::size_t more) const {
    std::size_t needed = list_.size() + more;
    if (!unmapped.empty()) {
        const auto cut = list_.cut(unmapped);
        needed = needed + cut.rest.size() - cut.whole.size();
    }
    if (needed <= group_->mappings_possible()) return {};
    return fail(ENOSPC, fmt::format("the kernel keeps {} mappings for a device (vfio_iommu_type1.dma_entry_limit) and would need {}; grant fewer and "
                                    "larger pieces: what one call grants of one file, and what is granted before the device is added, is joined",
                                    group_->mappings_possible(), needed));
}

Result<void> Container::map(const Mapping& mapping) noexcept {
    SMMU_CHECK(group_->map(mapping));
    list_.add(mapping);
    return {};
}

Result<void> Container::unmap(std::span<const IovaRange> ranges, std::vector<IovaRange>& lost) noexcept {
    const MappingList::Cut cut = list_.cut(ranges);
    for (const IovaRange& whole : cut.whole) {
        SMMU_CHECK(group_->unmap(whole));
        list_.remove(whole);
        ++flushes_;
    }
    for (const Mapping& rest : cut.rest)
        if (!map(rest)) lost.push_back(rest.range);
    return {};
}

Result<void> Container::clear() noexcept {
    SMMU_CHECK(group_->unmap_everything());
    list_.clear();
    ++flushes_;
    return {};
}

}  // namespace smmu::units::vfio

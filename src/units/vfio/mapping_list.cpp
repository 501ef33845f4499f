// SPDX-License-Identifier: Apache-2.0
#include "units/vfio/mapping_list.hpp"

#include "base/assert.hpp"

namespace smmu::units::vfio {

void MappingList::add(const Mapping& mapping) {
    const bool is_new = mappings_.emplace(mapping.range.first, mapping).second;
    SMMU_ASSERT(is_new);
}

void MappingList::remove(IovaRange whole) {
    const auto at = mappings_.find(whole.first);
    SMMU_ASSERT(at != mappings_.end() && at->second.range == whole);
    mappings_.erase(at);
}

MappingList::Cut MappingList::cut(std::span<const IovaRange> ranges) const {
    Contents left;
    Cut result;
    for (const IovaRange& range : ranges) {
        auto at = mappings_.upper_bound(range.first);
        if (at != mappings_.begin() && std::prev(at)->second.range.last >= range.first) --at;
        for (; at != mappings_.end() && at->first <= range.last; ++at) {
            if (!result.whole.empty() && result.whole.back() == at->second.range) continue;  // the last range met it, too
            result.whole.push_back(at->second.range);
            left.assign(at->second.range, at->second.backing);
        }
    }
    for (const IovaRange& range : ranges) left.erase(range);
    for (const auto& piece : left) result.rest.push_back({piece.range, piece.value});
    return result;
}

}  // namespace smmu::units::vfio

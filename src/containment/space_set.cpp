// SPDX-License-Identifier: Apache-2.0
#include "containment/space_set.hpp"

#include "base/assert.hpp"

namespace smmu::containment {

Space* SpaceSet::find(const SpaceKey& key) {
    const auto it = spaces_.find(key);
    return it == spaces_.end() ? nullptr : &it->second;
}

const Space* SpaceSet::find(const SpaceKey& key) const {
    const auto it = spaces_.find(key);
    return it == spaces_.end() ? nullptr : &it->second;
}

Space& SpaceSet::add(const SpaceKey& key, std::unique_ptr<units::AddressSpace> tables) {
    const auto [it, added] = spaces_.try_emplace(key);
    SMMU_ASSERT(added);
    it->second.key = key;
    it->second.tables = std::move(tables);
    return it->second;
}

void SpaceSet::add(Space space) {
    const SpaceKey key = space.key;
    const bool added = spaces_.try_emplace(key, std::move(space)).second;
    SMMU_ASSERT(added);
}

std::unique_ptr<units::AddressSpace> SpaceSet::take(const SpaceKey& key) {
    const auto it = spaces_.find(key);
    SMMU_ASSERT(it != spaces_.end());
    auto tables = std::move(it->second.tables);
    spaces_.erase(it);
    return tables;
}

ShortList<Space*, 4> SpaceSet::of(std::optional<ObjectId> object) {
    ShortList<Space*, 4> result;
    for (auto it = spaces_.lower_bound({object, UnitId{0}, std::nullopt});
         it != spaces_.end() && it->first.object == object; ++it)
        result.push_back(&it->second);
    return result;
}

ShortList<const Space*, 4> SpaceSet::of(std::optional<ObjectId> object) const {
    ShortList<const Space*, 4> result;
    for (auto it = spaces_.lower_bound({object, UnitId{0}, std::nullopt});
         it != spaces_.end() && it->first.object == object; ++it)
        result.push_back(&it->second);
    return result;
}

}  // namespace smmu::containment

// SPDX-License-Identifier: Apache-2.0
#include "units/tag_pool.hpp"

#include <fmt/format.h>

#include "base/assert.hpp"

namespace smmu::units {

// Round robin: a tag rests as long as possible before it comes again, which makes a forgotten
// invalidation easier to find in a trace.
Result<std::uint16_t> TagPool::take(const std::string& where) {
    for (std::uint32_t tried = 0; tried < uses_.size(); ++tried) {
        const std::uint32_t tag = next_;
        next_ = next_ + 1 == uses_.size() ? 1 : next_ + 1;
        if (uses_[tag] != Use::free) continue;
        uses_[tag] = Use::taken;
        ++in_use_;
        return static_cast<std::uint16_t>(tag);
    }
    return fail(
        ENOSPC,
        fmt::format(
            "{}: all {} {} of the unit are in use; destroy an object, or give devices "
            "with equal grants one object",
            where, capacity(), plural_));
}

void TagPool::give_back(std::uint16_t tag) {
    SMMU_ASSERT(uses_[tag] == Use::taken);
    uses_[tag] = Use::free;
    --in_use_;
}

void TagPool::reserve(std::uint16_t tag) {
    if (tag < uses_.size() && uses_[tag] == Use::free) uses_[tag] = Use::predecessor;
}

bool TagPool::inherit(std::uint16_t tag) {
    if (!is_reserved(tag)) return false;
    uses_[tag] = Use::taken;
    ++in_use_;
    return true;
}

bool TagPool::is_reserved(std::uint16_t tag) const {
    return tag < uses_.size() && uses_[tag] == Use::predecessor;
}

void TagPool::forget_predecessors() {
    for (Use& use : uses_)
        if (use == Use::predecessor) use = Use::free;
}

}  // namespace smmu::units

// SPDX-License-Identifier: Apache-2.0
#include "units/vtd/domain_ids.hpp"

#include <fmt/format.h>

#include "base/assert.hpp"

namespace smmu::units::vtd {

// Round robin: an id rests as long as possible before it comes again, which makes a forgotten
// invalidation easier to find in a trace.
Result<std::uint16_t> DomainIds::take(const std::string& where) {
    for (std::uint32_t tried = 0; tried < uses_.size(); ++tried) {
        const std::uint32_t id = next_;
        next_ = next_ + 1 == uses_.size() ? 1 : next_ + 1;
        if (uses_[id] != Use::free) continue;
        uses_[id] = Use::taken;
        ++in_use_;
        return static_cast<std::uint16_t>(id);
    }
    return fail(
        ENOSPC,
        fmt::format(
            "{}: all {} domain ids of the unit are in use; destroy an object, or give devices "
            "with equal grants one object",
            where, capacity()));
}

void DomainIds::give_back(std::uint16_t id) {
    SMMU_ASSERT(uses_[id] == Use::taken);
    uses_[id] = Use::free;
    --in_use_;
}

void DomainIds::reserve(std::uint16_t id) {
    if (id < uses_.size() && uses_[id] == Use::free) uses_[id] = Use::predecessor;
}

bool DomainIds::is_reserved(std::uint16_t id) const {
    return id < uses_.size() && uses_[id] == Use::predecessor;
}

void DomainIds::forget_predecessors() {
    for (Use& use : uses_)
        if (use == Use::predecessor) use = Use::free;
}

}  // namespace smmu::units::vtd

// SPDX-License-Identifier: Apache-2.0
// DomainIds: the tags by which the unit's caches tell address spaces apart. Id 0 is never used:
// with caching mode it tags what is not there. An id is given out again only after everything
// cached under it was forgotten.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace smmu::units::vtd {

class DomainIds {
public:
    // Ids 1 .. count - 1.
    explicit DomainIds(std::uint32_t count) : uses_(count, Use::free) { uses_[0] = Use::never; }

    std::uint32_t capacity() const { return static_cast<std::uint32_t>(uses_.size()) - 1; }
    std::uint32_t in_use() const { return in_use_; }

    // ENOSPC, with the sentence for `where`.
    Result<std::uint16_t> take(const std::string& where);
    // Everything cached under `id` was forgotten.
    void give_back(std::uint16_t id);

    // `id` occurs in what an earlier instance left: not to be given out before
    // forget_predecessors().
    void reserve(std::uint16_t id);
    bool is_reserved(std::uint16_t id) const;
    // Everything that was cached when this instance began was forgotten.
    void forget_predecessors();

private:
    enum class Use : std::uint8_t { free, taken, predecessor, never };
    std::vector<Use> uses_;
    std::uint32_t in_use_ = 0;
    std::uint32_t next_ = 1;
};

}  // namespace smmu::units::vtd

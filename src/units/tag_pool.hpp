// SPDX-License-Identifier: Apache-2.0
// TagPool: the tags by which a unit's caches tell address spaces apart: domain ids, VMIDs, ASIDs. Tag 0 is never used:
// it tags what is not there, or what nobody has set. A tag is given out again only after everything cached under it was
// forgotten.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace smmu::units {

class TagPool {
public:
    // Tags 1 .. count - 1; `plural` names them for a person and is static storage.
    TagPool(const char* plural, std::uint32_t count) : plural_(plural), uses_(count, Use::free) { uses_[0] = Use::never; }

    std::uint32_t capacity() const { return static_cast<std::uint32_t>(uses_.size()) - 1; }
    std::uint32_t in_use() const { return in_use_; }

    // ENOSPC, with the sentence for `where`.
    Result<std::uint16_t> take(const std::string& where);
    // Everything cached under `tag` was forgotten.
    void give_back(std::uint16_t tag);

    // `tag` occurs in what an earlier instance left: not to be given out before
    // forget_predecessors().
    void reserve(std::uint16_t tag);
    // A reserved tag goes on as one that was taken. False when it is not reserved.
    bool inherit(std::uint16_t tag);
    bool is_reserved(std::uint16_t tag) const;
    // Everything that was cached when this instance began was forgotten.
    void forget_predecessors();

private:
    enum class Use : std::uint8_t { free, taken, predecessor, never };
    const char* plural_;
    std::vector<Use> uses_;
    std::uint32_t in_use_ = 0;
    std::uint32_t next_ = 1;
};

}  // namespace smmu::units

// SPDX-License-Identifier: Apache-2.0
// Invalidation: making the unit's caches forget. Two ways exist, a queue in memory and registers;
// both take the same requests and return when the hardware has done them all.
#pragma once

#include <cstdint>
#include <span>

#include "base/address.hpp"
#include "base/result.hpp"

namespace smmu::units::vtd {

struct Invalidate {
    enum class What : std::uint8_t {
        all_contexts,
        contexts_of_domain,
        context_of_source,  // `domain` is what the old entry said
        all_translations,
        translations_of_domain,
        pages  // 2^address_mask pages of `domain` from `address` on, aligned to their size
    };
    What what = What::all_translations;
    std::uint16_t domain = 0;
    std::uint16_t source = 0;
    Iova address{};
    unsigned address_mask = 0;
    bool leaf_only = false;

    bool concerns_contexts() const { return what <= What::context_of_source; }
};

class Invalidation {
public:
    virtual ~Invalidation() = default;
    // In order; translations are forgotten after the contexts that precede them. EIO when the
    // hardware did not confirm in time: nothing may be taken for forgotten then.
    virtual Result<void> run(std::span<const Invalidate> requests) noexcept = 0;
};

}  // namespace smmu::units::vtd

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
        all_pasids,         // what was found by PASIDs: nothing in legacy mode
        pasids_of_domain,
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

    // Caches in the order in which one is filled by way of the other.
    enum class Cache : std::uint8_t { contexts, pasids, translations };
    Cache cache() const {
        if (what <= What::context_of_source) return Cache::contexts;
        return what <= What::pasids_of_domain ? Cache::pasids : Cache::translations;
    }
};

// Everything that a unit remembers of its tables.
inline constexpr Invalidate everything[] = {{.what = Invalidate::What::all_contexts},
                                            {.what = Invalidate::What::all_pasids},
                                            {.what = Invalidate::What::all_translations}};

class Invalidation {
public:
    virtual ~Invalidation() = default;
    // In order; a cache is made to forget after those before it that it is filled by way of. EIO
    // when the hardware did not confirm in time: nothing may be taken for forgotten then.
    virtual Result<void> run(std::span<const Invalidate> requests) noexcept = 0;
};

}  // namespace smmu::units::vtd

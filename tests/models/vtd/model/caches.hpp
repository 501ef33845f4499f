// SPDX-License-Identifier: Apache-2.0
// Caches: a unit's context cache, PASID cache, IOTLB and paging-structure caches (VT-d 5.10, 6.2).
// As strict as hardware may be: what is in them stays until the invalidation that names it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "tests/models/vtd/model/request.hpp"

namespace smmu::model::vtd {

enum class Stage : std::uint8_t { none, first, second, nested, pass_through };

// An address space: what a legacy context entry, or an entry of a PASID table, leads to.
struct Space {
    Stage stage = Stage::none;
    std::uint16_t domain = 0;
    bool fault_disabled = false;
    std::uint64_t second_table = 0;
    unsigned second_levels = 0;
    std::uint64_t first_table = 0;
    unsigned first_levels = 0;
    bool write_protect = false;
    bool walk_snooped = false;
    bool force_snoop = false;
    bool scalable = false;
    std::uint32_t pasid = 0;  // tags translations that have a first stage

    // What the translations of one domain id must have in common.
    std::uint64_t identity() const {
        const std::uint64_t table = stage == Stage::second ? second_table : first_table;
        const unsigned levels = stage == Stage::second ? second_levels : first_levels;
        return table | levels << 4 | unsigned(stage);
    }
    bool has_first() const { return stage == Stage::first || stage == Stage::nested; }
};

struct Context {
    Space space;              // legacy
    bool device_tlb = false;  // TT 01, or DTE
    bool pasid_enabled = false;
    bool fault_disabled = false;
    std::uint64_t directory = 0;
    unsigned directory_bits = 0;  // PASIDs below 2^this
    std::uint32_t rid_pasid = 0;
    std::optional<Fault> fault = std::nullopt;  // cached in caching mode
};

struct CachedSpace {
    Space space;
    std::optional<Fault> fault = std::nullopt;
};

// A page as far as the walk's end.
struct Leaf {
    std::uint64_t page = 0;
    bool read = false;
    bool write = false;
    bool snoop = false;
    bool dirty = false;                         // the first stage's D is set
    std::optional<Fault> fault = std::nullopt;  // cached in caching mode
};

// An entry above the leaf: the next table and the permissions down to it.
struct Branch {
    std::uint64_t table = 0;
    bool read = false;
    bool write = false;
};

// Which translations an entry serves.
struct Tag {
    std::uint16_t domain = 0;
    bool first = false;  // has a first stage: tagged by PASID too
    std::uint32_t pasid = 0;
    std::uint64_t identity = 0;

    static Tag of(const Space& space) {
        return {space.domain, space.has_first(), space.has_first() ? space.pasid : 0,
                space.identity()};
    }
    auto key() const { return std::tuple(domain, first, pasid); }
};

class Caches {
public:
    // A domain id of which translations or entries of another table are still cached.
    bool conflicts(const Space& space) const;

    std::map<std::uint16_t, Context> contexts;                              // by source
    std::map<std::pair<std::uint16_t, std::uint32_t>, CachedSpace> spaces;  // by source and PASID

    const Leaf* leaf(const Space& space, std::uint64_t address) const;
    void keep(const Space& space, std::uint64_t address, const Leaf& leaf);
    // The lowest table on the way to `address` that is known; `level` is where its entries stand.
    std::optional<std::pair<Branch, unsigned>> branch(const Space& space,
                                                      std::uint64_t address) const;
    void keep(const Space& space, std::uint64_t address, unsigned level, const Branch& branch);

    void forget_everything();
    void forget_contexts() { contexts.clear(); }
    void forget_contexts(std::uint16_t domain);
    // `mask`: bits of the function number that do not count.
    void forget_contexts(std::uint16_t source, std::uint16_t mask,
                         std::optional<std::uint16_t> domain);
    void forget_spaces() { spaces.clear(); }
    void forget_spaces(std::uint16_t domain, std::optional<std::uint32_t> pasid);

    void forget_translations();
    void forget_translations(std::uint16_t domain);
    // 2^am pages; `only_leaves` (IH) keeps the paging-structure caches.
    void forget_pages(std::uint16_t domain, std::uint64_t address, unsigned am, bool only_leaves);
    void forget_pasid(std::uint16_t domain, std::uint32_t pasid);
    void forget_pasid_pages(std::uint16_t domain, std::uint32_t pasid, std::uint64_t address,
                            unsigned am, bool only_leaves);

private:
    using TagKey = std::tuple<std::uint16_t, bool, std::uint32_t>;
    template <class Which>
    void forget_range(const Which& which, std::uint64_t address, unsigned am, bool only_leaves);

    std::map<std::pair<TagKey, std::uint64_t>, std::pair<Tag, Leaf>> leaves_;
    // by tag, level of the table's entries, and the address bits above that table's reach
    std::map<std::tuple<TagKey, unsigned, std::uint64_t>, std::pair<Tag, Branch>> branches_;
};

}  // namespace smmu::model::vtd

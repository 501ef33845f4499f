// SPDX-License-Identifier: Apache-2.0
// CachingWalker: what hardware does with tables in memory, written from the manual and not from the engine. It walks
// raw words, keeps every translation (TLB) and every link (walk cache) it ever used, and forgets only what it is
// told to forget. One walker stands for one tag.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "memory/arena.hpp"

namespace smmu::paging::test {

struct Decoded {
    enum class Kind { empty, leaf, link, bad } kind = Kind::empty;
    std::uint64_t address = 0;
    bool read = false, write = false;
};

// A page-table layout as hardware sees it; level 0 is the leaf table.
struct Layout {
    unsigned levels;
    unsigned index_bits;
    unsigned input_bits;
    std::function<Decoded(std::uint64_t word, unsigned level)> decode;
    unsigned page_log2 = 12;

    unsigned span_log2(unsigned level) const { return page_log2 + index_bits * level; }
    std::uint64_t words() const { return std::uint64_t{1} << index_bits; }  // of a table below the root
};

class CachingWalker {
public:
    CachingWalker(memory::TableMemory memory, Layout layout, std::uint64_t root)
        : memory_(memory), layout_(std::move(layout)), root_(root) {}

    struct Hit {
        std::uint64_t physical;
        bool read, write;
        friend bool operator==(const Hit&, const Hit&) = default;
    };
    // An access of a device, by way of the caches. `fracture`: keep a large leaf as a small page only.
    std::optional<Hit> access(std::uint64_t iova, bool fracture);
    // What the tables say, caches aside.
    std::optional<Hit> walk(std::uint64_t iova) const;

    void forget(const std::vector<IovaRange>& ranges, bool leaf_only);
    void forget_everything();
    // The first cached thing that the tables no longer say; empty when there is none.
    std::string stale() const;
    std::size_t cached() const { return translations_.size() + links_.size(); }

    struct Piece {
        std::uint64_t first, last;
        Hit hit;
    };
    using Words = std::vector<std::uint64_t>;
    struct Picture {
        std::vector<Piece> leaves;                // ascending, neighbours joined
        std::map<std::uint64_t, Words> tables;    // every reachable table, its words
        std::uint64_t frames = 0;                 // of 512 words, in those tables
        std::string problem;                      // the first thing no table may be: empty, shared, outside, bad
    };
    // Everything that can be reached from the root.
    Picture picture() const;

    std::uint64_t root() const { return root_; }
    // Words of the table at an address; nothing outside table memory.
    const std::uint64_t* words(std::uint64_t address) const;
    // The first thing a walk met that hardware calls reserved or outside table memory.
    const std::string& complaint() const { return complaint_; }

private:
    struct Leaf {
        std::uint64_t first;
        unsigned size_log2;
        Hit hit;
    };
    std::optional<Leaf> walk_from(std::uint64_t table, unsigned level, std::uint64_t iova, bool remember);
    void picture_of(std::uint64_t table, unsigned level, std::uint64_t base, Picture& picture) const;
    std::uint64_t index(unsigned level, std::uint64_t iova) const {
        const unsigned top = layout_.levels - 1;
        const unsigned bits = level == top ? layout_.input_bits - layout_.span_log2(top) : layout_.index_bits;
        return iova >> layout_.span_log2(level) & ((std::uint64_t{1} << bits) - 1);
    }

    memory::TableMemory memory_;
    Layout layout_;
    std::uint64_t root_;
    std::map<std::pair<std::uint64_t, unsigned>, Hit> translations_;      // (first, size) -> target
    std::map<std::pair<unsigned, std::uint64_t>, std::uint64_t> links_;   // (level, first) -> table
    std::string complaint_;
};

// The second stage of VT-d, by the specification's table: anything reserved is bad.
Layout vtd_second_stage_layout(unsigned levels, unsigned input_bits, std::uint64_t leaf_sizes);
// The first stage of VT-d: user, accessed and, where writing is allowed, dirty must be set from the start.
Layout vtd_first_stage_layout(unsigned levels, unsigned input_bits, std::uint64_t leaf_sizes);
// Both stages of VMSAv8-64 with the smallest of `leaf_sizes` for a granule: accessed, write-back, inner shareable; the first unprivileged and not global.
Layout arm_stage2_layout(unsigned levels, unsigned input_bits, std::uint64_t leaf_sizes);
Layout arm_stage1_layout(unsigned levels, unsigned input_bits, std::uint64_t leaf_sizes);
// The first with NS in leaves and NSTable in links.
Layout arm_stage1_non_secure_layout(unsigned levels, unsigned input_bits, std::uint64_t leaf_sizes);

}  // namespace smmu::paging::test

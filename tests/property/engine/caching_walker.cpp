// SPDX-License-Identifier: Apache-2.0
#include "tests/property/engine/caching_walker.hpp"

#include <algorithm>
#include <bit>

namespace smmu::paging::test {
namespace {

std::string hex(std::uint64_t value) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    do {
        text.insert(text.begin(), digits[value & 15]);
        value >>= 4;
    } while (value != 0);
    return "0x" + text;
}

}  // namespace

const std::uint64_t* CachingWalker::words(std::uint64_t address) const {
    const PhysAddr at{address};
    if (!memory_.range.contains(at) || !is_aligned(at, 12)) return nullptr;
    return reinterpret_cast<const std::uint64_t*>(memory_.bytes.data() + (at - memory_.range.first));
}

std::optional<CachingWalker::Leaf> CachingWalker::walk_from(std::uint64_t table, unsigned level, std::uint64_t iova,
                                                            bool remember) {
    for (;; --level) {
        const std::uint64_t* const entries = words(table);
        if (entries == nullptr) {
            complaint_ = "a walk for " + hex(iova) + " leaves table memory at " + hex(table);
            return std::nullopt;
        }
        const Decoded entry = layout_.decode(entries[index(level, iova)], level);
        const unsigned span = layout_.span_log2(level);
        const std::uint64_t first = iova >> span << span;
        switch (entry.kind) {
            case Decoded::Kind::empty: return std::nullopt;
            case Decoded::Kind::leaf: return Leaf{first, span, {entry.address, entry.read, entry.write}};
            case Decoded::Kind::bad: break;
            case Decoded::Kind::link:
                if (level == 0) break;
                if (remember) links_[{level - 1, first}] = entry.address;
                table = entry.address;
                continue;
        }
        complaint_ = "a walk for " + hex(iova) + " meets a reserved entry " +
                     hex(entries[index(level, iova)]) + " at level " + std::to_string(level);
        return std::nullopt;
    }
}

std::optional<CachingWalker::Hit> CachingWalker::access(std::uint64_t iova, bool fracture) {
    if (iova >> layout_.input_bits != 0) return std::nullopt;
    for (unsigned level = 0; level < layout_.levels; ++level) {
        const unsigned span = layout_.span_log2(level);
        const std::uint64_t first = iova >> span << span;
        const auto cached = translations_.find({first, span});
        if (cached != translations_.end())
            return Hit{cached->second.physical + (iova - first), cached->second.read, cached->second.write};
    }
    std::uint64_t table = root_;
    unsigned level = layout_.levels - 1;
    for (unsigned below = 0; below + 1 < layout_.levels; ++below) {
        const unsigned span = layout_.span_log2(below + 1);
        const auto link = links_.find({below, iova >> span << span});
        if (link == links_.end()) continue;
        table = link->second;
        level = below;
        break;
    }
    const auto leaf = walk_from(table, level, iova, true);
    if (!leaf) return std::nullopt;
    const Hit hit{leaf->hit.physical + (iova - leaf->first), leaf->hit.read, leaf->hit.write};
    if (fracture) {
        const std::uint64_t page = iova >> layout_.page_log2 << layout_.page_log2;
        translations_[{page, layout_.page_log2}] = {leaf->hit.physical + (page - leaf->first), hit.read, hit.write};
    } else {
        translations_[{leaf->first, leaf->size_log2}] = leaf->hit;
    }
    return hit;
}

std::optional<CachingWalker::Hit> CachingWalker::walk(std::uint64_t iova) const {
    if (iova >> layout_.input_bits != 0) return std::nullopt;
    CachingWalker cold(memory_, layout_, root_);
    const auto leaf = cold.walk_from(root_, layout_.levels - 1, iova, false);
    if (!leaf) return std::nullopt;
    return Hit{leaf->hit.physical + (iova - leaf->first), leaf->hit.read, leaf->hit.write};
}

void CachingWalker::forget(const std::vector<IovaRange>& ranges, bool leaf_only) {
    const auto covered = [&](std::uint64_t first, unsigned size_log2) {
        const IovaRange cached{Iova{first}, Iova{first + ((std::uint64_t{1} << size_log2) - 1)}};
        for (const IovaRange& range : ranges)
            if (range.overlaps(cached)) return true;
        return false;
    };
    std::erase_if(translations_, [&](const auto& t) { return covered(t.first.first, t.first.second); });
    if (leaf_only) return;
    std::erase_if(links_, [&](const auto& link) {
        return covered(link.first.second, layout_.span_log2(link.first.first + 1));
    });
}

void CachingWalker::forget_everything() {
    translations_.clear();
    links_.clear();
}

std::string CachingWalker::stale() const {
    CachingWalker cold(memory_, layout_, root_);
    for (const auto& [key, hit] : translations_) {
        const auto now = cold.walk_from(root_, layout_.levels - 1, key.first, true);
        const bool same = now && now->size_log2 >= key.second &&
                          Hit{now->hit.physical + (key.first - now->first), now->hit.read, now->hit.write} == hit;
        if (!same) return "a cached translation of " + hex(key.first) + " outlives its entry";
    }
    for (const auto& [key, table] : links_) {
        cold.links_.clear();
        (void)cold.walk_from(root_, layout_.levels - 1, key.second, true);
        const auto now = cold.links_.find(key);
        if (now == cold.links_.end() || now->second != table)
            return "a cached link to the table of level " + std::to_string(key.first) + " for " + hex(key.second) +
                   " outlives it";
    }
    return {};
}

void CachingWalker::picture_of(std::uint64_t table, unsigned level, std::uint64_t base, Picture& picture) const {
    const auto note = [&](const std::string& what) {
        if (picture.problem.empty())
            picture.problem = "table of level " + std::to_string(level) + " for " + hex(base) + " " + what;
    };
    const std::uint64_t* const entries = words(table);
    if (entries == nullptr) return note("lies outside table memory");
    const unsigned span = layout_.span_log2(level);
    const std::uint64_t count =
        std::uint64_t{1} << (level + 1 == layout_.levels ? layout_.input_bits - span : layout_.index_bits);
    // Joined root tables have more; a root that is smaller than a table is a frame at least.
    const std::uint64_t held = std::max<std::uint64_t>(count, 512);
    const auto [copy, fresh] = picture.tables.emplace(table, Words(entries, entries + held));
    if (!fresh) return note("is linked twice");
    picture.frames += held / 512;
    std::uint64_t live = 0;
    for (std::uint64_t i = 0; i < held; ++i) {
        const std::uint64_t word = copy->second[i];
        if (word == 0) continue;
        if (i >= count) return note("has an entry beyond its last");
        ++live;
        const std::uint64_t first = base + (i << span);
        const Decoded entry = layout_.decode(word, level);
        if (entry.kind == Decoded::Kind::link && level > 0) {
            picture_of(entry.address, level - 1, first, picture);
        } else if (entry.kind == Decoded::Kind::leaf) {
            const std::uint64_t last = first + ((std::uint64_t{1} << span) - 1);
            const Hit hit{entry.address, entry.read, entry.write};
            Piece* const left = picture.leaves.empty() ? nullptr : &picture.leaves.back();
            if (left != nullptr && left->last + 1 == first && left->hit.read == hit.read &&
                left->hit.write == hit.write && left->hit.physical + (first - left->first) == hit.physical)
                left->last = last;
            else
                picture.leaves.push_back({first, last, hit});
        } else {
            return note("has the reserved entry " + hex(word));
        }
    }
    if (live == 0 && table != root_) note("is empty and linked");
}

CachingWalker::Picture CachingWalker::picture() const {
    Picture picture;
    picture_of(root_, layout_.levels - 1, 0, picture);
    return picture;
}

Layout vtd_second_stage_layout(unsigned levels, unsigned input_bits, std::uint64_t leaf_sizes) {
    const auto decode = [leaf_sizes](std::uint64_t word, unsigned level) -> Decoded {
        if (word == 0) return {};
        const std::uint64_t frame = word & 0x000F'FFFF'FFFF'F000, size = std::uint64_t{1} << (12 + 9 * level);
        const bool large = (word & 0x80) != 0;
        const bool reserved = (word & ~std::uint64_t{0x000F'FFFF'FFFF'F083}) != 0 || (word & 3) == 0;
        if (reserved || (large && level == 0)) return {Decoded::Kind::bad};
        // Permissions are the conjunction of the walk: a link that takes any away is not one of ours.
        if (level > 0 && !large) return {(word & 3) == 3 ? Decoded::Kind::link : Decoded::Kind::bad, frame, true, true};
        if ((leaf_sizes & size) == 0 || (frame & (size - 1)) != 0) return {Decoded::Kind::bad};
        return {Decoded::Kind::leaf, frame, (word & 1) != 0, (word & 2) != 0};
    };
    return {levels, 9, input_bits, decode, 12};
}

Layout vtd_first_stage_layout(unsigned levels, unsigned input_bits, std::uint64_t leaf_sizes) {
    const auto decode = [leaf_sizes](std::uint64_t word, unsigned level) -> Decoded {
        if (word == 0) return {};
        constexpr std::uint64_t always = 0x25;  // present, user, accessed
        const std::uint64_t frame = word & 0x000F'FFFF'FFFF'F000, size = std::uint64_t{1} << (12 + 9 * level);
        const std::uint64_t flags = word & ~std::uint64_t{0x000F'FFFF'FFFF'F080};
        const bool large = (word & 0x80) != 0;
        if (level > 0 && !large) return {flags == (always | 2) ? Decoded::Kind::link : Decoded::Kind::bad, frame, true, true};
        const bool writable = flags == (always | 2 | 0x40);
        if (large != (level > 0) || (flags != always && !writable)) return {Decoded::Kind::bad};
        if ((leaf_sizes & size) == 0 || (frame & (size - 1)) != 0) return {Decoded::Kind::bad};
        return {Decoded::Kind::leaf, frame, true, writable};
    };
    return {levels, 9, input_bits, decode, 12};
}

namespace {

// `of_leaf`: what the bits of a leaf besides address and type mean; bad where they are not ours. `of_link`: those of a link.
Layout arm_layout(unsigned levels, unsigned input_bits, std::uint64_t leaf_sizes,
                  std::function<Decoded(std::uint64_t attributes)> of_leaf, std::uint64_t of_link = 0) {
    const auto page_log2 = static_cast<unsigned>(std::countr_zero(leaf_sizes));
    const auto decode = [leaf_sizes, page_log2, of_leaf, of_link](std::uint64_t word, unsigned level) -> Decoded {
        if (word == 0) return {};
        const std::uint64_t address = 0x0000'FFFF'FFFF'FFFF & ~((std::uint64_t{1} << page_log2) - 1);
        const std::uint64_t frame = word & address, size = std::uint64_t{1} << (page_log2 + (page_log2 - 3) * level);
        const std::uint64_t attributes = word & ~(address | 3);
        if (level > 0 && (word & 3) == 3)
            return {attributes == of_link ? Decoded::Kind::link : Decoded::Kind::bad, frame, true, true};
        if ((word & 3) != (level == 0 ? 3 : 1)) return {Decoded::Kind::bad};
        if ((leaf_sizes & size) == 0 || (frame & (size - 1)) != 0) return {Decoded::Kind::bad};
        Decoded leaf = of_leaf(attributes);
        leaf.address = frame;
        return leaf;
    };
    return {levels, page_log2 - 3, input_bits, decode, page_log2};
}

Layout stage1_layout(unsigned levels, unsigned input_bits, std::uint64_t leaf_sizes, std::uint64_t of_leaves,
                     std::uint64_t of_links) {
    const auto leaf = [of_leaves](std::uint64_t attributes) -> Decoded {
        const std::uint64_t always = 1 << 11 | 1 << 10 | 3 << 8 | 1 << 6 | of_leaves;
        if ((attributes & ~std::uint64_t{0x80}) != always) return {Decoded::Kind::bad};
        return {Decoded::Kind::leaf, 0, true, (attributes & 0x80) == 0};
    };
    return arm_layout(levels, input_bits, leaf_sizes, leaf, of_links);
}

}  // namespace

Layout arm_stage2_layout(unsigned levels, unsigned input_bits, std::uint64_t leaf_sizes) {
    return arm_layout(levels, input_bits, leaf_sizes, [](std::uint64_t attributes) -> Decoded {
        constexpr std::uint64_t always = 1 << 10 | 3 << 8 | 0xF << 2;
        const std::uint64_t permissions = attributes & 0xC0;
        if ((attributes & ~std::uint64_t{0xC0}) != always || permissions == 0) return {Decoded::Kind::bad};
        return {Decoded::Kind::leaf, 0, (permissions & 0x40) != 0, (permissions & 0x80) != 0};
    });
}

Layout arm_stage1_layout(unsigned levels, unsigned input_bits, std::uint64_t leaf_sizes) {
    return stage1_layout(levels, input_bits, leaf_sizes, 0, 0);
}

Layout arm_stage1_non_secure_layout(unsigned levels, unsigned input_bits, std::uint64_t leaf_sizes) {
    return stage1_layout(levels, input_bits, leaf_sizes, 1 << 5, std::uint64_t{1} << 63);
}

}  // namespace smmu::paging::test

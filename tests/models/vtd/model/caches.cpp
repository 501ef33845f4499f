// SPDX-License-Identifier: Apache-2.0
#include "tests/models/vtd/model/caches.hpp"

#include <algorithm>

namespace smmu::model::vtd {
namespace {

constexpr unsigned page_log2 = 12;

// Address bits that one table whose entries stand at `level` covers.
constexpr unsigned reach(unsigned level) {
    return page_log2 + 9 * level;
}

}  // namespace

bool Caches::conflicts(const Space& space) const {
    const Tag tag = Tag::of(space);
    const auto differs = [&](const Space& other) {
        return other.stage != Stage::none && other.domain == space.domain &&
               Tag::of(other).key() == tag.key() && other.identity() != space.identity();
    };
    const auto differs_tag = [&](const Tag& other) {
        return other.key() == tag.key() && other.identity != tag.identity;
    };
    return std::ranges::any_of(contexts, [&](const auto& e) { return differs(e.second.space); }) ||
           std::ranges::any_of(spaces, [&](const auto& e) { return differs(e.second.space); }) ||
           std::ranges::any_of(leaves_,
                               [&](const auto& e) { return differs_tag(e.second.first); }) ||
           std::ranges::any_of(branches_,
                               [&](const auto& e) { return differs_tag(e.second.first); });
}

const Leaf* Caches::leaf(const Space& space, std::uint64_t address) const {
    const auto found = leaves_.find({Tag::of(space).key(), address >> page_log2});
    return found == leaves_.end() ? nullptr : &found->second.second;
}

void Caches::keep(const Space& space, std::uint64_t address, const Leaf& leaf) {
    const Tag tag = Tag::of(space);
    leaves_[{tag.key(), address >> page_log2}] = {tag, leaf};
}

std::optional<std::pair<Branch, unsigned>> Caches::branch(const Space& space,
                                                          std::uint64_t address) const {
    const Tag tag = Tag::of(space);
    const unsigned levels = space.has_first() ? space.first_levels : space.second_levels;
    for (unsigned level = 1; level < levels; ++level) {
        const auto found = branches_.find({tag.key(), level, address >> reach(level)});
        if (found != branches_.end()) return std::pair(found->second.second, level);
    }
    return std::nullopt;
}

void Caches::keep(const Space& space, std::uint64_t address, unsigned level, const Branch& branch) {
    const Tag tag = Tag::of(space);
    branches_[{tag.key(), level, address >> reach(level)}] = {tag, branch};
}

void Caches::forget_everything() {
    forget_contexts();
    forget_spaces();
    forget_translations();
}

void Caches::forget_contexts(std::uint16_t domain) {
    std::erase_if(contexts, [&](const auto& e) {
        return e.second.space.domain == domain || e.second.directory != 0;
    });
}

void Caches::forget_contexts(std::uint16_t source, std::uint16_t mask,
                             std::optional<std::uint16_t> domain) {
    std::erase_if(contexts, [&](const auto& e) {
        return ((e.first ^ source) & ~mask & 0xffff) == 0 &&
               (!domain || e.second.space.domain == *domain);
    });
}

void Caches::forget_spaces(std::uint16_t domain, std::optional<std::uint32_t> pasid) {
    std::erase_if(spaces, [&](const auto& e) {
        return e.second.space.domain == domain && (!pasid || e.first.second == *pasid);
    });
}

void Caches::forget_translations() {
    leaves_.clear();
    branches_.clear();
}

void Caches::forget_translations(std::uint16_t domain) {
    std::erase_if(leaves_, [&](const auto& e) { return e.second.first.domain == domain; });
    std::erase_if(branches_, [&](const auto& e) { return e.second.first.domain == domain; });
}

template <class Which>
void Caches::forget_range(const Which& which, std::uint64_t address, unsigned am,
                          bool only_leaves) {
    const std::uint64_t first = address >> page_log2 >> am << am;
    const std::uint64_t last = first + ((std::uint64_t{1} << am) - 1);
    std::erase_if(leaves_, [&](const auto& e) {
        return which(e.second.first) && e.first.second >= first && e.first.second <= last;
    });
    if (only_leaves) return;
    std::erase_if(branches_, [&](const auto& e) {
        const auto& [tag, level, prefix] = e.first;
        const unsigned shift = reach(level) - page_log2;
        return which(e.second.first) && prefix >= first >> shift && prefix <= last >> shift;
    });
}

// Nested translations depend on the second stage in every step: none survives.
void Caches::forget_pages(std::uint16_t domain, std::uint64_t address, unsigned am,
                          bool only_leaves) {
    forget_range([&](const Tag& tag) { return tag.domain == domain && !tag.first; }, address, am,
                 only_leaves);
    const auto nested = [&](const Tag& tag) {
        return tag.domain == domain && (tag.identity & 0xf) == unsigned(Stage::nested);
    };
    std::erase_if(leaves_, [&](const auto& e) { return nested(e.second.first); });
    std::erase_if(branches_, [&](const auto& e) { return nested(e.second.first); });
}

void Caches::forget_pasid(std::uint16_t domain, std::uint32_t pasid) {
    const auto named = [&](const Tag& tag) {
        return tag.domain == domain && tag.first && tag.pasid == pasid;
    };
    std::erase_if(leaves_, [&](const auto& e) { return named(e.second.first); });
    std::erase_if(branches_, [&](const auto& e) { return named(e.second.first); });
}

void Caches::forget_pasid_pages(std::uint16_t domain, std::uint32_t pasid, std::uint64_t address,
                                unsigned am, bool only_leaves) {
    forget_range(
        [&](const Tag& tag) { return tag.domain == domain && tag.first && tag.pasid == pasid; },
        address, am, only_leaves);
}

}  // namespace smmu::model::vtd

// SPDX-License-Identifier: Apache-2.0
#include "tests/models/mmu500/model/tlb.hpp"

#include <algorithm>

namespace smmu::model::mmu500 {
namespace {

constexpr unsigned most_log2 = 52;  // of a table's reach

}  // namespace

const Leaf* Tlb::leaf(const Tag& tag, std::uint64_t address) const {
    for (const unsigned log2 : {12u, 14u, 16u, 21u, 25u, 29u, 30u})
        for (const Tag& one : {tag, Tag{tag.stage, tag.vmid, Tag::any_asid}})
            if (const auto found = leaves_.find({one, log2, address >> log2});
                found != leaves_.end())
                return &found->second;
    return nullptr;
}

void Tlb::keep(Tag tag, std::uint64_t address, const Leaf& leaf) {
    if (leaf.global) tag.asid = Tag::any_asid;
    leaves_[{tag, leaf.log2, address >> leaf.log2}] = leaf;
}

const Branch* Tlb::branch(const Tag& tag, std::uint64_t address) const {
    for (unsigned log2 = 12; log2 <= most_log2; ++log2)
        if (const auto found = branches_.find({tag, log2, address >> log2});
            found != branches_.end())
            return &found->second;
    return nullptr;
}

void Tlb::keep(const Tag& tag, std::uint64_t address, unsigned log2, const Branch& branch) {
    branches_[{tag, log2, address >> log2}] = branch;
}

bool Tlb::conflicts(const Tag& tag, const Origin& origin) const {
    const auto differs = [&](const auto& entry) {
        return entry.first.tag == tag && entry.second.origin != origin;
    };
    return std::ranges::any_of(leaves_, differs) || std::ranges::any_of(branches_, differs);
}

// By ASID alone global pages stay; by address they go with the page.
bool Tlb::names(const Invalidation& what, const Key& key, bool by_asid_alone) {
    if (what.stage && *what.stage != key.tag.stage) return false;
    if (what.vmid && *what.vmid != key.tag.vmid) return false;
    const bool is_global = key.tag.asid == Tag::any_asid;
    if (what.asid && key.tag.asid != *what.asid && (by_asid_alone || !is_global)) return false;
    return !what.address || *what.address >> key.log2 == key.prefix;
}

// What was prefetched outlives an invalidation by address: MMU-500's erratum.
void Tlb::apply(const Invalidation& what) {
    const bool by_asid_alone = what.asid && !what.address;
    std::erase_if(leaves_, [&](const auto& entry) {
        return names(what, entry.first, by_asid_alone) &&
               !(what.address && entry.second.prefetched);
    });
    if (what.only_leaves) return;
    std::erase_if(branches_,
                  [&](const auto& entry) { return names(what, entry.first, by_asid_alone); });
}

void Tlb::clear() {
    leaves_.clear();
    branches_.clear();
}

}  // namespace smmu::model::mmu500

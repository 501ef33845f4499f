// SPDX-License-Identifier: Apache-2.0
#include "tests/models/mmu500/model/walker.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace smmu::model::mmu500 {
namespace {

constexpr std::uint64_t access_flag = 1 << 10;
constexpr std::uint64_t not_global = 1 << 11;
constexpr std::uint64_t contiguous = 1ull << 52;
constexpr std::uint64_t upper_reserved = 0xfull << 48;

// The address that a leaf gives to `address`, which it covers.
constexpr std::uint64_t within(const Leaf& leaf, std::uint64_t address) {
    return leaf.output | (address & ((1ull << leaf.log2) - 1));
}

bool allows(const Leaf& leaf, const Request& request) {
    return (request.write ? leaf.write : leaf.read) && (request.privileged || leaf.unprivileged);
}

constexpr std::uint64_t output_of(const Space& space, std::uint64_t entry, unsigned level) {
    return entry & ((1ull << 48) - 1) & ~((1ull << space.shift(level)) - 1);
}

}  // namespace

// Nested translations are two leaves here, of which each may be stale by itself.
std::expected<std::uint64_t, Fault> Walker::translate(const Path& path, const Request& request) {
    const Space* const second = path.second ? &*path.second : nullptr;
    auto leaf = look_up(path.space, second, path.origin(), request.address);
    if (!leaf) {
        if (path.space.tag.stage == Stage::second) leaf.error().ipa = request.address;
        return std::unexpected(leaf.error());
    }
    const std::uint64_t output = within(*leaf, request.address);
    if (!allows(*leaf, request)) {
        const bool alone = path.space.tag.stage == Stage::second;
        return std::unexpected(
            Fault{Reason::permission, leaf->level, false, false, alone ? request.address : 0});
    }
    if (second == nullptr) return output;
    auto behind = look_up(*second, nullptr, {second->root, 0}, output);
    if (behind && allows(*behind, request)) return within(*behind, output);
    Fault fault = behind ? Fault{Reason::permission, behind->level} : behind.error();
    fault.second = true;
    fault.ipa = output;
    return std::unexpected(fault);
}

Walker::Found Walker::look_up(const Space& space, const Space* second, const Origin& origin,
                              std::uint64_t address) {
    if (address >> space.input_bits != 0) return std::unexpected(Fault{Reason::translation, 0});
    if (const Leaf* const cached = tlb_.leaf(space.tag, address)) {
        if (cached->origin != origin)
            complain_(fmt::format("VMID {} and ASID {:#x} name translations of another table",
                                  space.tag.vmid, space.tag.asid));
        else if (second == nullptr)
            check_break_before_make(space, origin, address, *cached);
        return *cached;
    }
    auto found = walk(space, second, origin, address, Memo::used);
    if (found) {
        tlb_.keep(space.tag, address, *found);
        if (space.prefetches && second == nullptr) prefetch(space, origin, address);
    }
    return found;
}

void Walker::prefetch(const Space& space, const Origin& origin, std::uint64_t address) {
    const std::uint64_t next = address + (1ull << space.granule_log2);
    if (next >> space.input_bits != 0 || tlb_.leaf(space.tag, next) != nullptr) return;
    if (auto found = walk(space, nullptr, origin, next, Memo::none)) {
        found->prefetched = true;
        tlb_.keep(space.tag, next, *found);
    }
}

// A leaf that still is in the TLB was not broken: what stands in its place may be absent, or differ
// in what it allows, and in nothing else.
void Walker::check_break_before_make(const Space& space, const Origin& origin,
                                     std::uint64_t address, const Leaf& cached) {
    const auto now = walk(space, nullptr, origin, address, Memo::none);
    if (!now || (now->log2 == cached.log2 && now->output == cached.output &&
                 now->attributes == cached.attributes))
        return;
    complain_(fmt::format("the leaf for {:#x} was replaced without break-before-make", address));
}

std::expected<std::uint64_t, Fault> Walker::fetch(const Space* second, std::uint64_t at,
                                                  unsigned level) {
    std::uint64_t address = at;
    if (second != nullptr) {
        auto behind = look_up(*second, nullptr, {second->root, 0}, at);
        if (!behind || !behind->read) {
            Fault fault = behind ? Fault{Reason::permission, behind->level} : behind.error();
            fault.in_walk = fault.second = true;
            fault.ipa = at;
            return std::unexpected(fault);
        }
        address = within(*behind, at);
    }
    if (!view_.contains(address, 8)) {
        complain_(fmt::format("a table entry of level {} at {:#x} is outside RAM", level, address));
        return std::unexpected(Fault{Reason::external, level, true});
    }
    if (!view_.visible({{address}, {address + 7}}))
        complain_(fmt::format("a walk reads {:#x}, which was stored and never cleaned", address));
    return view_.load(address);
}

Walker::Found Walker::walk(const Space& space, const Space* second, const Origin& origin,
                           std::uint64_t address, Memo memo) {
    Branch branch{.table = space.root, .level = space.start_level, .origin = origin};
    if (memo == Memo::used)
        if (const Branch* const known = tlb_.branch(space.tag, address)) branch = *known;
    if (branch.table >> space.output_bits != 0)
        return std::unexpected(Fault{Reason::address_size, 0});
    for (;; ++branch.level) {
        const unsigned level = branch.level;
        const unsigned shift = space.shift(level);
        const std::uint64_t index = address >> shift & ((1ull << space.index_bits(level)) - 1);
        const auto entry = fetch(second, branch.table + index * 8, level);
        if (!entry) return std::unexpected(entry.error());
        if ((*entry & 1) == 0) return std::unexpected(Fault{Reason::translation, level});
        const bool is_table = level < 3 && (*entry & 2) != 0;
        const bool is_leaf = level == 3 ? (*entry & 2) != 0 : !is_table && space.may_end_at(level);
        if (!is_table && !is_leaf) {
            complain_(fmt::format("a reserved descriptor of level {}: {:#x}", level, *entry));
            return std::unexpected(Fault{Reason::translation, level});
        }
        if (is_leaf) return finish(space, branch, address, *entry);
        check_table(space, *entry, level);
        branch.table = output_of(space, *entry, 3);
        if (branch.table >> space.output_bits != 0)
            return std::unexpected(Fault{Reason::address_size, level});
        if (space.tag.stage == Stage::first) {
            branch.unprivileged &= (*entry >> 61 & 1) == 0;
            branch.write &= (*entry >> 62 & 1) == 0;
        }
        if (memo == Memo::used) {
            Branch below = branch;
            below.level = level + 1;
            tlb_.keep(space.tag, address, shift, below);
        }
    }
}

Walker::Found Walker::finish(const Space& space, const Branch& branch, std::uint64_t address,
                             std::uint64_t entry) {
    const unsigned level = branch.level;
    check_leaf(space, entry, level);
    Leaf leaf{.output = output_of(space, entry, level),
              .log2 = space.shift(level),
              .level = level,
              .attributes = std::uint16_t((entry >> 2 & 0xf) | (entry >> 8 & 3) << 4),
              .origin = branch.origin};
    if (leaf.output >> space.output_bits != 0) {
        complain_(fmt::format("{:#x} is mapped to {:#x}, beyond {} bits", address, leaf.output,
                              space.output_bits));
        return std::unexpected(Fault{Reason::address_size, level});
    }
    if (space.checks_access_flag && (entry & access_flag) == 0)
        return std::unexpected(Fault{Reason::access_flag, level});
    if (space.tag.stage == Stage::first) {
        leaf.read = true;
        leaf.write = branch.write && (entry >> 7 & 1) == 0;
        leaf.unprivileged = branch.unprivileged && (entry >> 6 & 1) != 0;
        leaf.global = (entry & not_global) == 0;
    } else {
        leaf.read = (entry >> 6 & 1) != 0;
        leaf.write = (entry >> 7 & 1) != 0;
    }
    return leaf;
}

void Walker::check_leaf(const Space& space, std::uint64_t entry, unsigned level) {
    const std::uint64_t inside = ((1ull << space.shift(level)) - 1) & ~0xfffull;
    if ((entry & (inside | upper_reserved)) != 0)
        complain_(fmt::format("reserved address bits of a leaf of level {}: {:#x}", level, entry));
    if ((entry >> 8 & 3) == 1)
        complain_(fmt::format("reserved shareability of a leaf: {:#x}", entry));
    if ((entry & contiguous) != 0)
        complain_(fmt::format("the contiguous hint, which is not modelled: {:#x}", entry));
    if (space.tag.stage == Stage::first) return;
    if ((entry & not_global) != 0)
        complain_(fmt::format("bit 11 of a stage-2 leaf is reserved: {:#x}", entry));
    if ((entry >> 4 & 3) != 0 && (entry >> 2 & 3) == 0)
        complain_(fmt::format("reserved memory type of a stage-2 leaf: {:#x}", entry));
}

void Walker::check_table(const Space& space, std::uint64_t entry, unsigned level) {
    const std::uint64_t inside = ((1ull << space.granule_log2) - 1) & ~0xfffull;
    std::uint64_t reserved = inside | upper_reserved;
    if (space.tag.stage == Stage::second) reserved |= 0x1full << 59;
    if ((entry & reserved) != 0)
        complain_(
            fmt::format("reserved bits of a table descriptor of level {}: {:#x}", level, entry));
}

}  // namespace smmu::model::mmu500

// SPDX-License-Identifier: Apache-2.0
// The unit in software in scalable mode: half a bus per context table, a PASID directory and table
// per stream, both stages. What the manual reserves is a fault; what would let more pass than this
// driver ever grants is a complaint.
#include <fmt/format.h>

#include "silicon.hpp"

namespace silicon {
namespace {

constexpr std::uint64_t pointer_of(std::uint64_t word) {
    return word & ~std::uint64_t{0xfff};
}

}  // namespace

bool Unit::run_pasid_descriptor(std::uint64_t low, std::uint64_t high) {
    constexpr std::uint64_t meant = 0x000f'ffff'ffff'003f;
    const unsigned granularity = low >> 4 & 3, domain = low >> 16 & 0xffff, pasid = low >> 32 & 0xfffff;
    if ((low & ~meant) != 0) return false;
    if (pasid != 0) complain("a PASID that nothing uses is invalidated");
    switch (low & 0xf) {
        case 6:
            if (granularity == 3) return forget_pages(domain | first_stage_tag, high);
            if (granularity != 2 || high != 0) return false;
            commands.push_back(fmt::format("piotlb domain {}", domain));
            forget_domain(domain | first_stage_tag);
            return true;
        case 7:
            if (granularity == 2 || high != 0) return false;
            forget_pasids(granularity, domain);
            return true;
        default:
            return false;
    }
}

void Unit::forget_pasids(unsigned granularity, unsigned domain) {
    commands.push_back(granularity == 3 ? "pasid global" : fmt::format("pasid domain {}", domain));
    std::erase_if(pasids_, [&](const auto& cached) {
        return granularity == 3 || (cached.second[1] & 0xffff) == domain;
    });
}

std::optional<std::uint64_t> Unit::scalable_context(std::uint16_t source, unsigned& reason) {
    std::uint64_t low = 0;
    if (const auto cached = contexts_.find(source); cached != contexts_.end()) {
        low = cached->second.first;
    } else {
        const std::uint64_t root_entry = word(pointer_of(latched_root) + 8u * (source >> 7));
        if ((root_entry & 0xffe) != 0) {
            reason = 0x3a;
            return std::nullopt;
        }
        if ((root_entry & 1) == 0) {
            reason = 0x39;
            if (parameters.caching_mode) contexts_[source] = {0, 0};
            return std::nullopt;
        }
        const std::uint64_t at = pointer_of(root_entry) + 32u * (source & 0x7f);
        low = word(at);
        // No RID_PASID other than 0, no page request, no PASIDs, no ATS; the smallest directory.
        if (word(at + 8) != 0 || word(at + 16) != 0 || word(at + 24) != 0 || (low & 0xffc) != 0) {
            reason = 0x42;
            return std::nullopt;
        }
        if ((low & 1) != 0 || parameters.caching_mode) contexts_[source] = {low, 0};
    }
    if ((low & 1) == 0) {
        reason = (low & 2) != 0 ? 0 : 0x41;
        return std::nullopt;
    }
    return low;
}

unsigned Unit::fault_of(const PasidEntry& entry) const {
    const unsigned type = entry[0] >> 6 & 7, width = entry[0] >> 2 & 7;
    const std::uint64_t snoop = (parameters.walks_snoop ? bit(23) : 0) |
                                (parameters.snoop_control ? bit(24) : 0);
    if ((entry[0] & 0xe22) != 0 || (entry[1] & ~(snoop | 0xffff)) != 0) return 0x5a;
    for (std::size_t i = 3; i < entry.size(); ++i)
        if (entry[i] != 0) return 0x5a;
    const unsigned domain = entry[1] & 0xffff;
    if (domain == 0 || domain >> (4 + 2 * parameters.domains_code) != 0) return 0x5b;
    if (type == 2) {
        const bool supported = parameters.second_stage && (parameters.supported_widths >> width & 1) != 0;
        return entry[2] != 0 || !supported ? 0x5b : 0;
    }
    const bool five = (entry[2] & 4) != 0;
    if (type != 1 || !parameters.first_stage || (entry[2] & 0xffb) != 0 || (five && !parameters.five_levels))
        return 0x5b;
    return 0;
}

std::optional<Unit::PasidEntry> Unit::pasid_entry(std::uint16_t source, std::uint64_t context,
                                                  unsigned& reason) {
    if (const auto cached = pasids_.find(source); cached != pasids_.end()) return cached->second;
    const std::uint64_t pointer = word(pointer_of(context));
    if ((pointer & 1) == 0 || (pointer & 0xffe) != 0) {
        reason = (pointer & 1) == 0 ? 0x51 : 0x52;
        return std::nullopt;
    }
    PasidEntry entry;
    for (std::size_t i = 0; i < entry.size(); ++i) entry[i] = word(pointer_of(pointer) + 8 * i);
    if ((entry[0] & 1) == 0) {
        reason = 0x59;
        return std::nullopt;
    }
    reason = fault_of(entry);
    if (reason != 0) return std::nullopt;
    return pasids_[source] = entry;
}

Unit::Page Unit::first_stage_walk(const PasidEntry& entry, std::uint64_t address, bool write,
                                  unsigned& reason) {
    const unsigned tag = (entry[1] & 0xffff) | first_stage_tag;
    const unsigned levels = (entry[2] & 4) != 0 ? 5 : 4;
    if (address >> (11 + 9 * levels) != 0 && ~address >> (11 + 9 * levels) != 0) {
        reason = 0x80;
        return {0, 0};
    }
    const auto cached = pages_.find({tag, address >> 12});
    if (cached != pages_.end()) {
        if (cached->second.permissions == 0) reason = 0x71;
        return cached->second;
    }
    std::uint64_t table = pointer_of(entry[2]);
    unsigned level = levels - 1;
    if (const auto walked = walks_.find({tag, address >> 21}); walked != walks_.end()) {
        table = walked->second;
        level = 0;
    }
    for (;; --level) {
        if (!in_memory(table)) {
            reason = 0x70;
            return {0, 0};
        }
        const std::uint64_t found = word(table + 8 * (address >> (12 + 9 * level) & 511));
        const std::uint64_t target = found & 0x000f'ffff'ffff'f000;
        if ((found & 1) == 0) {
            reason = 0x71;
            if (parameters.caching_mode) pages_[{tag, address >> 12}] = {0, 0};
            return {0, 0};
        }
        if ((found & 4) == 0) reason = 0x81;
        if (target >> host_bits != 0) reason = 0x72;
        if ((found & 0x20) == 0) reason = 0x90;  // walks are not snooped: no table is written
        const bool leaf = level == 0 || (found & 0x80) != 0;
        if (leaf && write && (found & 2) != 0 && (found & 0x40) == 0) reason = 0x91;
        if (!leaf && (found & 2) == 0) complain("a link without write permission");
        if (reason != 0) return {0, 0};
        if (leaf) {
            const std::uint64_t inside =
                address & ((std::uint64_t{1} << (12 + 9 * level)) - 1) & ~std::uint64_t{0xfff};
            return pages_[{tag, address >> 12}] = {target | inside, (found & 2) != 0 ? 3u : 1u};
        }
        if (level == 1) walks_[{tag, address >> 21}] = target;
        table = target;
    }
}

Outcome Unit::scalable_dma(std::uint16_t source, std::uint64_t address, bool write) {
    unsigned reason = 0;
    const auto refused = [&](bool recorded) -> Outcome {
        if (recorded && reason != 0) record(source, address, reason, write ? 0 : 2);
        return {false, 0, reason};
    };
    const auto context = scalable_context(source, reason);
    if (!context) return refused(true);
    const bool recorded = (*context & 2) == 0;
    const auto entry = pasid_entry(source, *context, reason);
    if (!entry) return refused(recorded);
    Page page{0, 0};
    if (((*entry)[0] >> 6 & 7) == 1) {
        page = first_stage_walk(*entry, address, write, reason);
    } else {
        const unsigned width = (*entry)[0] >> 2 & 7;
        if (address >> (30 + 9 * width) != 0 || address >> parameters.guest_width != 0)
            reason = 0x84;
        else
            page = walk((*entry)[0], width | ((*entry)[1] & 0xffff) << 8, address, reason);
        if (reason == 0 && page.permissions == 0) reason = 0x79;
    }
    if (reason == 0 && (page.permissions & (write ? 2u : 1u)) == 0) reason = write ? 0x85 : 0x86;
    if (reason != 0) return refused(recorded);
    return reach(page.address | (address & 0xfff));
}

}  // namespace silicon

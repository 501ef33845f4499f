// SPDX-License-Identifier: Apache-2.0
// The caches of the unit in software and the queue that makes them forget: only what was asked for,
// and only on the right request.
#include <fmt/format.h>

#include <cstring>

#include "silicon.hpp"

namespace silicon {

void Unit::run_queue() {
    if (queue_is_silent) return;
    while (queue_head != queue_tail && (faults & 0x50) == 0) {
        const std::uint64_t at = (queue_address & ~std::uint64_t{0xfff}) + queue_head;
        if (timeouts > 0) {
            --timeouts;
            faults |= 0x40;
            queue_head = queue_tail;
            return;
        }
        const bool has_rest = slot_bytes() == 32 && (word(at + 16) != 0 || word(at + 24) != 0);
        const bool misaligned = queue_tail % slot_bytes() != 0;
        if (broken_descriptors > 0 || has_rest || misaligned ||
            !run_descriptor(word(at), word(at + 8))) {
            if (broken_descriptors > 0) --broken_descriptors;
            faults |= 0x10;
            return;
        }
        queue_head = (queue_head + slot_bytes()) % (std::uint64_t{0x1000} << (queue_address & 7));
    }
}

bool Unit::run_descriptor(std::uint64_t low, std::uint64_t high) {
    const bool wide = (queue_address & 0x800) != 0;
    if (wide ? !parameters.scalable : (latched_root & 0xc00) != 0) return false;
    switch (low & 0xf) {
        case 1:
            if ((low & ~std::uint64_t{0x0003'ffff'ffff'003f}) != 0 || high != 0) return false;
            forget_contexts(low >> 4 & 3, low >> 16 & 0xffff, low >> 32 & 0xffff);
            return true;
        case 2:
            if ((low & ~std::uint64_t{0xffff'00ff}) != 0) return false;
            if (!parameters.drains && (low & 0xc0) != 0) return false;
            return forget_translations(low >> 4 & 3, low >> 16 & 0xffff, high);
        case 5: {
            const bool interrupt = (low & bit(4)) != 0, write = (low & bit(5)) != 0;
            if (interrupt && write) complain("wait with both interrupt and status");
            if (!interrupt && !write) return false;
            commands.push_back((low & bit(6)) != 0 ? "wait fence" : "wait");
            std::uint32_t data = static_cast<std::uint32_t>(low >> 32);
            if (in_memory(high)) std::memcpy(memory + (high - memory_base), &data, 4);
            return true;
        }
        default:
            return wide && is_scalable() && run_pasid_descriptor(low, high);
    }
}

void Unit::forget_contexts(unsigned granularity, unsigned domain, unsigned source) {
    static constexpr const char* names[] = {"?", "global", "domain", "device"};
    commands.push_back(granularity == 1 ? "context global"
                       : granularity == 2
                           ? fmt::format("context domain {}", domain)
                           : fmt::format("context {} {} {:x}", names[granularity], domain, source));
    // In scalable mode entries name no domain: of these only "global" and the source count.
    if (is_scalable()) {
        std::erase_if(contexts_, [&](const auto& cached) {
            return granularity == 1 || (granularity == 3 && cached.first == source);
        });
        return;
    }
    std::erase_if(contexts_, [&](const auto& cached) {
        const bool present = (cached.second.first & 1) != 0;
        const unsigned tag = present ? cached.second.second >> 8 & 0xffff : 0;
        return granularity == 1 || (granularity == 2 && tag == domain) ||
               (granularity == 3 && tag == domain && cached.first == source);
    });
}

bool Unit::forget_translations(unsigned granularity, unsigned domain, std::uint64_t word) {
    if (granularity == 1) {
        commands.push_back("iotlb global");
        pages_.clear();
        walks_.clear();
        return true;
    }
    if (granularity == 2) {
        commands.push_back(fmt::format("iotlb domain {}", domain));
        forget_domain(domain);
        return true;
    }
    return forget_pages(domain, word);
}

void Unit::forget_domain(unsigned tag) {
    const auto concerned = [&](const auto& cached) { return cached.first.first == tag; };
    std::erase_if(pages_, concerned);
    std::erase_if(walks_, concerned);
}

bool Unit::forget_pages(unsigned tag, std::uint64_t word) {
    const unsigned mask = word & 0x3f;
    const std::uint64_t first = word >> 12, size = std::uint64_t{1} << mask;
    if (!parameters.page_selective || mask > parameters.address_mask || first % size != 0)
        return false;
    const bool leaf_only = (word & 0x40) != 0;
    commands.push_back(
        fmt::format("iotlb page {} {:x} {}{}", tag, first, mask, leaf_only ? " leaf" : ""));
    std::erase_if(pages_, [&](const auto& cached) {
        return cached.first.first == tag && cached.first.second >= first &&
               cached.first.second < first + size;
    });
    if (!leaf_only)
        std::erase_if(walks_, [&](const auto& cached) {
            const std::uint64_t begin = cached.first.second << 9;
            return cached.first.first == tag && begin < first + size && begin + 512 > first;
        });
    return true;
}

}  // namespace silicon

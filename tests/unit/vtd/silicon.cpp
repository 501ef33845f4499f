// SPDX-License-Identifier: Apache-2.0
#include "silicon.hpp"

#include <fmt/format.h>

#include <cstring>

namespace silicon {

std::uint64_t Parameters::capability() const {
    return (root_invalidates ? bit(63) : 0) | (five_levels ? bit(60) : 0) | (drains ? bit(55) | bit(54) : 0) |
           std::uint64_t{address_mask} << 48 | std::uint64_t{fault_records - 1} << 40 |
           (page_selective ? bit(39) : 0) | std::uint64_t{large_pages} << 34 |
           std::uint64_t{fault_offset / 16} << 24 | std::uint64_t{guest_width - 1} << 16 |
           std::uint64_t{supported_widths} << 8 | (caching_mode ? bit(7) : 0) |
           (protected_memory ? bit(6) | bit(5) : 0) | (write_buffer ? bit(4) : 0) | domains_code;
}

std::uint64_t Parameters::extended() const {
    return (abort_mode ? bit(52) : 0) | (scalable && walks_snoop ? bit(48) : 0) |
           (first_stage ? bit(47) : 0) | (second_stage ? bit(46) : 0) | (scalable ? bit(43) : 0) |
           (snoop_control ? bit(7) : 0) | std::uint64_t{invalidation_offset / 16} << 8 | (interrupt_remapping ? bit(3) : 0) |
           (queued ? bit(1) : 0) | (coherent ? bit(0) : 0);
}

Unit::Unit(Parameters with) : parameters(with), records(with.fault_records) {
    storage.resize(memory_bytes + 0x1000);
    const auto start = reinterpret_cast<std::uintptr_t>(storage.data());
    memory = storage.data() + ((0x1000 - start % 0x1000) % 0x1000);
}

std::unique_ptr<Unit> Unit::as_found_after_a_crash() const {
    auto copy = std::make_unique<Unit>(parameters);
    std::memcpy(copy->memory, memory, memory_bytes);
    copy->status = status;
    copy->root = root;
    copy->latched_root = latched_root;
    copy->queue_head = queue_head;
    copy->queue_tail = queue_tail;
    copy->queue_address = queue_address;
    copy->faults = faults;
    copy->records = records;
    copy->protection = protection;
    copy->interrupt_table = interrupt_table;
    copy->contexts_ = contexts_;
    copy->pasids_ = pasids_;
    copy->pages_ = pages_;
    copy->walks_ = walks_;
    return copy;
}

bool Unit::in_memory(std::uint64_t address) const {
    return address >= memory_base && address <= memory_base + memory_bytes - 8;
}
std::uint64_t Unit::word(std::uint64_t address) const {
    std::uint64_t value = 0;
    if (in_memory(address)) std::memcpy(&value, memory + (address - memory_base), 8);
    return value;
}
void Unit::set_word(std::uint64_t address, std::uint64_t value) {
    if (in_memory(address)) std::memcpy(memory + (address - memory_base), &value, 8);
}

std::uint32_t Unit::fault_status() const {
    std::uint32_t value = faults;
    for (std::size_t i = 0; i < records.size(); ++i)
        if ((records[i][1] & bit(63)) != 0) {
            value |= 2;
            break;
        }
    // The oldest: the first with F whose predecessor in the circle has none, or the one the test
    // set.
    for (std::size_t i = 0; i < records.size(); ++i) {
        const std::size_t before = (i + records.size() - 1) % records.size();
        const bool here = (records[i][1] & bit(63)) != 0;
        if (here && ((records[before][1] & bit(63)) == 0 || records.size() == 1)) {
            value |= static_cast<std::uint32_t>(i << 8);
            break;
        }
    }
    return value;
}

std::uint32_t Unit::read32(std::uint64_t offset) noexcept {
    if (gone) return ~0u;
    switch (offset) {
        case 0x00:
            return parameters.version;
        case 0x1c:
            return status;
        case 0x34:
            return fault_status();
        case 0x38:
            return fault_control_;
        case 0x64:
            return protection;
        case 0x68:
            return static_cast<std::uint32_t>(low_base);
        case 0x6c:
            return static_cast<std::uint32_t>(low_limit);
        case 0xa0:
            return queue_control_;
        default:
            break;
    }
    if (offset >= parameters.fault_offset &&
        offset < parameters.fault_offset + 16 * records.size()) {
        const auto& record = records[(offset - parameters.fault_offset) / 16];
        return static_cast<std::uint32_t>(record[offset / 8 % 2] >> (offset % 8 * 8));
    }
    return 0;
}

std::uint64_t Unit::read64(std::uint64_t offset) noexcept {
    if (gone) return ~std::uint64_t{0};
    switch (offset) {
        case 0x08:
            return parameters.capability();
        case 0x10:
            return parameters.extended();
        case 0x20:
            return root;
        case 0x28:
            return context_command_;
        case 0x70:
            return high_base;
        case 0x78:
            return high_limit;
        case 0x80:
            return queue_head;
        case 0x88:
            return queue_tail;
        case 0x90:
            return queue_address;
        case 0xb8:
            return interrupt_table;
        default:
            break;
    }
    if (offset == parameters.invalidation_offset) return iva_;
    if (offset == parameters.invalidation_offset + 8) return iotlb_command_;
    if (offset >= parameters.fault_offset && offset < parameters.fault_offset + 16 * records.size())
        return records[(offset - parameters.fault_offset) / 16][offset / 8 % 2];
    return 0;
}

void Unit::wrote() {
    if (after_write) after_write();
}

void Unit::write32(std::uint64_t offset, std::uint32_t value) noexcept {
    if (gone) return;
    writes.emplace_back(offset, value);
    if (offset == 0x18) {
        command(value);
    } else if (offset == 0x34) {
        faults &= ~(value & 0x71);
    } else if (offset == 0x38) {
        fault_control_ = value;
    } else if (offset == 0xa0) {
        queue_control_ = value;
    } else if (offset == 0x64) {
        if (!protection_is_stuck) protection = (value & 0x8000'0000) | (value >> 31);
    } else if (offset == 0x68 || offset == 0x6c) {
        if ((protection & 1) != 0) complain("protected range changed while protecting");
        (offset == 0x68 ? low_base : low_limit) = value & ~(protected_granule - 1);
    } else if (offset >= parameters.fault_offset &&
               offset < parameters.fault_offset + 16 * records.size() && offset % 16 == 12 &&
               (value & 0x8000'0000) != 0) {
        records[(offset - parameters.fault_offset) / 16][1] &= ~bit(63);
    }
    wrote();
}

void Unit::write64(std::uint64_t offset, std::uint64_t value) noexcept {
    if (gone) return;
    writes.emplace_back(offset, value);
    const bool queue_on = (status & bit(26)) != 0;
    if (offset == 0x20) {
        root = value;
    } else if (offset == 0x90) {
        if (queue_on) complain("IQA written while the queue is on");
        queue_address = value;
    } else if (offset == 0x88) {
        queue_tail = value & 0x7fff0;
        if (queue_on) run_queue();
    } else if (offset == 0x70 || offset == 0x78) {
        if ((protection & 1) != 0) complain("protected range changed while protecting");
        (offset == 0x70 ? high_base : high_limit) =
            value & (bit(host_bits) - 1) & ~(protected_granule - 1);
    } else if (offset == 0x28) {
        context_command_ = value;
        if (queue_on) complain("CCMD with the queue on");
        if (!queue_on && !queue_is_silent && (value & bit(63)) != 0) {
            forget_contexts(value >> 61 & 3, value & 0xffff, value >> 16 & 0xffff);
            context_command_ = (value & ~(bit(63) | bit(60) | bit(59))) | (value >> 61 & 3) << 59;
        }
    } else if (offset == parameters.invalidation_offset) {
        iva_ = value;
    } else if (offset == parameters.invalidation_offset + 8) {
        iotlb_command_ = value;
        if (queue_on) complain("IOTLB with the queue on");
        if (!queue_on && !queue_is_silent && (value & bit(63)) != 0) {
            const bool done = forget_translations(value >> 60 & 3, value >> 32 & 0xffff, iva_);
            iotlb_command_ =
                (value & ~(bit(63) | bit(58) | bit(57))) | (done ? (value >> 60 & 3) << 57 : 0);
        }
    }
    wrote();
}

void Unit::command(std::uint32_t value) {
    constexpr std::uint32_t persistent = 0x8680'0000;  // TE QIE IRE CFI
    const std::uint32_t changed = (status ^ value) & persistent;
    const std::uint32_t once = value & 0x4900'0000;  // SRTP WBF SIRTP
    if (__builtin_popcount(changed) + __builtin_popcount(once) > 1)
        complain("two commands in one write");
    if ((status & bit(31)) != 0 && (value & bit(31)) == 0) complain("translation turned off");
    const auto set = [&](std::uint32_t mask, std::uint32_t to) {
        const std::uint32_t free = mask & ~never_acknowledged;
        status = (status & ~free) | (to & free);
    };
    if ((changed & bit(31)) != 0) set(static_cast<std::uint32_t>(bit(31)), value);
    if ((once & bit(30)) != 0) {
        if ((status & bit(31)) != 0 && ((root ^ latched_root) & 0xc00) != 0 &&
            !parameters.root_invalidates)
            complain("table mode changed while translating");
        status &= ~static_cast<std::uint32_t>(bit(30));
        if ((never_acknowledged & bit(30)) == 0) latched_root = root;
        set(static_cast<std::uint32_t>(bit(30)), static_cast<std::uint32_t>(bit(30)));
        if (parameters.root_invalidates) {
            forget_contexts(1, 0, 0);
            if (is_scalable()) forget_pasids(3, 0);
            forget_translations(1, 0, 0);
        }
    }
    if ((once & bit(27)) != 0) {
        ++buffer_flushes;
        if ((never_acknowledged & bit(27)) != 0) status |= static_cast<std::uint32_t>(bit(27));
    }
    if ((changed & bit(26)) != 0) {
        if ((value & bit(26)) == 0 && queue_head != queue_tail)
            complain("queue turned off while working");
        set(static_cast<std::uint32_t>(bit(26)), value);
        if ((status & bit(26)) == 0) queue_head = 0;
    }
}

void Unit::record(std::uint16_t source, std::uint64_t address, unsigned reason, unsigned type) {
    // The slot after the youngest; where that is still occupied the refusal is lost.
    const std::uint32_t first = fault_status() >> 8 & 0xff;
    std::size_t slot = first;
    for (std::size_t i = 0; i < records.size() && (records[slot][1] & bit(63)) != 0; ++i)
        slot = (slot + 1) % records.size();
    if ((records[slot][1] & bit(63)) != 0) {
        faults |= 1;
        return;
    }
    records[slot] = {address & ~std::uint64_t{0xfff}, bit(63) | std::uint64_t{type >> 1} << 62 |
                                                          std::uint64_t{reason} << 32 |
                                                          std::uint64_t{type & 1} << 28 | source};
}

std::optional<std::pair<std::uint64_t, std::uint64_t>> Unit::context(std::uint16_t source,
                                                                     unsigned& reason) {
    const auto cached = contexts_.find(source);
    std::pair<std::uint64_t, std::uint64_t> entry{0, 0};
    if (cached != contexts_.end()) {
        entry = cached->second;
    } else {
        const std::uint64_t root_entry =
            word((latched_root & ~std::uint64_t{0xfff}) + 16 * (source >> 8));
        if ((root_entry & 1) == 0) {
            reason = 1;
            if (parameters.caching_mode) contexts_[source] = {0, 0};
            return std::nullopt;
        }
        const std::uint64_t at = (root_entry & ~std::uint64_t{0xfff}) + 16 * (source & 0xff);
        entry = {word(at), word(at + 8)};
        if ((entry.first & 1) != 0 || parameters.caching_mode) contexts_[source] = entry;
    }
    if ((entry.first & 1) == 0) {
        reason = (entry.first & 2) != 0 ? 0 : 2;
        return std::nullopt;
    }
    return entry;
}

Unit::Page Unit::walk(std::uint64_t low, std::uint64_t high, std::uint64_t address,
                      unsigned& reason) {
    const unsigned domain = high >> 8 & 0xffff, levels = (high & 7) + 2;
    const auto cached = pages_.find({domain, address >> 12});
    if (cached != pages_.end()) return cached->second;
    std::uint64_t table = low & ~std::uint64_t{0xfff};
    unsigned level = levels - 1;
    if (const auto walked = walks_.find({domain, address >> 21}); walked != walks_.end()) {
        table = walked->second;
        level = 0;
    }
    for (;; --level) {
        if (!in_memory(table)) {
            reason = 7;
            return {0, 0};
        }
        const std::uint64_t entry = word(table + 8 * (address >> (12 + 9 * level) & 511));
        const std::uint64_t target = entry & 0x000f'ffff'ffff'f000;
        if ((entry & 3) == 0) {
            if (parameters.caching_mode) pages_[{domain, address >> 12}] = {0, 0};
            return {0, 0};
        }
        if (level == 0 || (entry & 0x80) != 0) {
            if ((entry & 0x800) != 0 && !parameters.snoop_control) {
                reason = 0xc;
                return {0, 0};
            }
            const std::uint64_t inside =
                address & ((std::uint64_t{1} << (12 + 9 * level)) - 1) & ~std::uint64_t{0xfff};
            return pages_[{domain, address >> 12}] = {target | inside,
                                                      static_cast<unsigned>(entry & 3)};
        }
        if (level == 1) walks_[{domain, address >> 21}] = target;
        table = target;
    }
}

Outcome Unit::reach(std::uint64_t target) const {
    // Before version 2 what is translated passes, and everything while nothing is.
    const bool protects = (protection & 1) != 0 && parameters.version >= 0x20;
    const std::uint64_t below = protected_granule - 1;
    const bool low = target >= low_base && target <= (low_limit | below);
    const bool high = target >= high_base && target <= (high_limit | below);
    if (protects && (low || high)) return {};
    return {true, target, 0};
}

Outcome Unit::dma(std::uint16_t source, std::uint64_t address, bool write) {
    if ((status & bit(31)) == 0) return reach(address);
    if (is_scalable()) return scalable_dma(source, address, write);
    unsigned reason = 0;
    if ((latched_root & 0xc00) != 0) return {false, 0, 0x33};
    const auto entry = context(source, reason);
    if (!entry) {
        if (reason != 0) record(source, address, reason, write ? 0 : 2);
        return {false, 0, reason};
    }
    const auto [low, high] = *entry;
    const unsigned width = 30 + 9 * static_cast<unsigned>(high & 7);
    if ((low & 0xc) != 0 || (parameters.supported_widths >> (high & 7) & 1) == 0)
        reason = 3;
    else if (address >> width != 0 || address >> parameters.guest_width != 0)
        reason = 4;
    if (reason == 0) {
        const Page page = walk(low, high, address, reason);
        if (reason == 0 && (page.permissions & (write ? 2u : 1u)) != 0)
            return reach(page.address | (address & 0xfff));
        if (reason == 0) reason = write ? 5 : 6;
    }
    if ((low & 2) == 0) record(source, address, reason, write ? 0 : 2);
    return {false, 0, reason};
}

}  // namespace silicon

// SPDX-License-Identifier: Apache-2.0
// Unit: invalidation by registers and by the queue (VT-d 5.10, 6.5).
#include <fmt/format.h>

#include "tests/models/vtd/model/registers.hpp"
#include "tests/models/vtd/model/unit.hpp"

namespace smmu::model::vtd {
namespace {

// IQERCD.IQEI.
enum Error : unsigned {
    none = 0,
    bad_tail = 1,
    fetch_failed = 2,
    bad_type = 3,
    reserved_set = 4,
    bad_width = 5,
    misaligned_tail = 6
};

constexpr std::uint32_t wide_descriptors = 1 << 11;
constexpr std::uint32_t busy = 1u << 31;

constexpr std::uint16_t domain_of(std::uint64_t word) {
    return std::uint16_t(word >> 16);
}
constexpr std::uint32_t pasid_of(std::uint64_t word) {
    return std::uint32_t(word >> 32 & 0xfffff);
}
constexpr std::uint64_t bits(unsigned high, unsigned low) {
    return (~std::uint64_t{0} >> (63 - high)) & (~std::uint64_t{0} << low);
}
constexpr std::uint64_t type_bits = 0xe0f;

}  // namespace

void Unit::check_domain(std::uint16_t domain) {
    if (domain >= features_.domains())
        complain(
            fmt::format("an invalidation names domain id {} of {}", domain, features_.domains()));
}

void Unit::invalidate_context_range(unsigned granularity, std::uint16_t domain,
                                    std::uint16_t source, unsigned function_mask) {
    constexpr std::array<std::uint16_t, 4> masks = {0, 4, 6, 7};
    Caches& caches = translator_.caches();
    view_.flush_write_buffer();
    if (granularity != 1) check_domain(domain);
    if (granularity == 1) {
        caches.forget_contexts();
        invalidated_contexts();
    } else if (granularity == 2) {
        caches.forget_contexts(domain);
    } else if (translator_.mode() == Mode::scalable) {
        // Context entries of scalable mode carry no domain id.
        caches.forget_contexts(source, masks[function_mask & 3], std::nullopt);
    } else {
        caches.forget_contexts(source, masks[function_mask & 3], domain);
    }
}

unsigned Unit::checked_am(std::uint64_t address_word) {
    const unsigned am = address_word & 0x3f;
    if (am > features_.mamv)
        complain(fmt::format("an invalidation of 2^{} pages; at most 2^{} can be asked for", am,
                             features_.mamv));
    if ((address_word >> 12 & ((std::uint64_t{1} << am) - 1)) != 0)
        complain(fmt::format("an invalidation of 2^{} pages that are not aligned: {:#x}", am,
                             address_word));
    return am;
}

void Unit::invalidate_pages(unsigned granularity, std::uint16_t domain,
                            std::uint64_t address_word) {
    Caches& caches = translator_.caches();
    view_.flush_write_buffer();
    if (granularity != 1) check_domain(domain);
    if (granularity == 3 && !features_.page_selective) {
        complain("an invalidation of pages on a unit that cannot");
        granularity = 2;
    }
    if (granularity == 1) {
        caches.forget_translations();
        invalidated_translations();
    } else if (granularity == 2) {
        caches.forget_translations(domain);
    } else {
        caches.forget_pages(domain, address_word & ~0xfffull, checked_am(address_word),
                            (address_word & 1 << 6) != 0);
    }
}

// Whether invalidation by registers is possible at all.
bool Unit::registers_answer(const char* which) {
    if (is_on(gcmd::queue)) {
        complain(fmt::format("{} is used while the queue is enabled", which));
        return false;
    }
    if (features_.major >= 6 || (latched_root_ >> 10 & 3) != 0) {
        complain(fmt::format("{} is used where only the queue can invalidate", which));
        return false;
    }
    return true;
}

void Unit::context_command(std::uint32_t high) {
    if ((high & busy) == 0) {
        stored(reg::ccmd + 4) = high;
        return;
    }
    const unsigned granularity = high >> 29 & 3;
    const std::uint32_t low = stored(reg::ccmd);
    stored(reg::ccmd + 4) = (high & ~(busy | 3u << 27));
    if (!registers_answer("the context command")) return;
    if (granularity == 0) return complain("a context command of granularity 0");
    invalidate_context_range(granularity, std::uint16_t(low), std::uint16_t(low >> 16), high & 3);
    stored(reg::ccmd + 4) |= granularity << 27;
}

void Unit::translation_command(std::uint32_t high) {
    const unsigned at = features_.iotlb_offset + 12;
    if ((high & busy) == 0) {
        stored(at) = high;
        return;
    }
    const unsigned granularity = high >> 28 & 3;
    stored(at) = high & ~(busy | 3u << 25);
    if (!registers_answer("the IOTLB register")) return;
    if (granularity == 0) return complain("an IOTLB command of granularity 0");
    invalidate_pages(granularity, std::uint16_t(high), stored64(features_.iotlb_offset));
    stored(at) |= granularity << 25;
}

void Unit::queue_error(unsigned reason, const std::string& why) {
    complain(why);
    queue_error_ = true;
    queue_error_reason_ = reason;
}

void Unit::write_tail(std::uint32_t value) {
    if ((value & ~0x7fff0u) != 0)
        complain(fmt::format("reserved bits of the queue's tail are set: {:#x}", value));
    stored(reg::iqt) = value & 0x7fff0;
    if (!is_on(gcmd::queue)) {
        if (value != 0) complain("the queue's tail is moved while the queue is not enabled");
        return;
    }
    fetch_descriptors();
}

void Unit::fetch_descriptors() {
    const std::uint64_t address = stored64(reg::iqa);
    const bool wide = (address & wide_descriptors) != 0;
    const std::uint32_t bytes = wide ? 32 : 16;
    const std::uint32_t length = 4096u << (address & 7);
    const std::uint32_t tail = stored(reg::iqt);
    if (queue_error_ || !is_on(gcmd::queue)) return;
    if (tail % bytes != 0)
        return queue_error(misaligned_tail, "the queue's tail is not at a descriptor");
    if (tail >= length)
        return queue_error(bad_tail, fmt::format("the queue's tail {:#x} is beyond its end", tail));
    while (queue_head_ != tail) {
        const std::uint64_t at = (address & ~0xfffull) + queue_head_;
        if (!memory_.contains(at, bytes))
            return queue_error(fetch_failed, "a descriptor lies outside RAM");
        Descriptor descriptor{};
        for (unsigned i = 0; i < bytes / 8; ++i)
            descriptor[i] = memory_.load<std::uint64_t>(at + 8 * i);
        const unsigned type = unsigned((descriptor[0] >> 9 & 7) << 4 | (descriptor[0] & 0xf));
        if (const unsigned reason = execute(descriptor); reason != none)
            return queue_error(
                reason, fmt::format("a descriptor of type {} is wrong ({}): {:#x} {:#x} "
                                    "{:#x} {:#x}",
                                    type, reason, descriptor[0], descriptor[1], descriptor[2],
                                    descriptor[3]));
        last_was_wait_ = type == 5;
        queue_head_ = (queue_head_ + bytes) % length;
    }
}

unsigned Unit::execute(const Descriptor& descriptor) {
    const bool wide = (stored(reg::iqa) & wide_descriptors) != 0;
    if (!wide && (latched_root_ >> 10 & 3) != 0) return bad_width;
    if (descriptor[2] != 0 || descriptor[3] != 0) return reserved_set;
    const unsigned type = unsigned((descriptor[0] >> 9 & 7) << 4 | (descriptor[0] & 0xf));
    switch (type) {
        case 1:
            return invalidate_contexts(descriptor);
        case 2:
            return invalidate_translations(descriptor);
        case 3:
            return invalidate_device_tlb(descriptor);
        case 4:
            view_.flush_write_buffer();
            return features_.interrupt_remapping ? none : bad_type;
        case 5:
            return wait(descriptor);
        case 6:
            return wide ? invalidate_pasid_translations(descriptor) : bad_width;
        case 7:
            return wide ? invalidate_spaces(descriptor) : bad_width;
        default:
            return bad_type;
    }
}

unsigned Unit::invalidate_contexts(const Descriptor& descriptor) {
    const std::uint64_t word = descriptor[0];
    constexpr std::uint64_t known = type_bits | bits(5, 4) | bits(31, 16) | bits(49, 32);
    const unsigned granularity = word >> 4 & 3;
    if ((word & ~known) != 0 || descriptor[1] != 0 || granularity == 0) return reserved_set;
    invalidate_context_range(granularity, domain_of(word), std::uint16_t(word >> 32),
                             unsigned(word >> 48));
    return none;
}

unsigned Unit::invalidate_translations(const Descriptor& descriptor) {
    const std::uint64_t word = descriptor[0];
    constexpr std::uint64_t known = type_bits | bits(7, 4) | bits(31, 16);
    const unsigned granularity = word >> 4 & 3;
    const std::uint64_t reserved_address = bits(11, 7);
    if ((word & ~known) != 0 || (descriptor[1] & reserved_address) != 0 || granularity == 0)
        return reserved_set;
    if (granularity != 3 && descriptor[1] != 0) return reserved_set;
    invalidate_pages(granularity, domain_of(word), descriptor[1]);
    return none;
}

// The size is in the address: with S, bit 12 upwards ones end in a zero that says how many.
unsigned Unit::invalidate_device_tlb(const Descriptor& descriptor) {
    const std::uint64_t word = descriptor[0];
    constexpr std::uint64_t known = type_bits | bits(20, 12) | bits(47, 32) | bits(63, 52);
    if (!features_.device_tlb) return bad_type;
    if ((word & ~known) != 0 || (descriptor[1] & bits(11, 1)) != 0) return reserved_set;
    const std::uint64_t address = descriptor[1] & ~0xfffull;
    const bool is_range = (descriptor[1] & 1) != 0;
    unsigned ones = 0;
    while (is_range && ones < 51 && (address >> (12 + ones) & 1) != 0) ++ones;
    const unsigned log2 = is_range ? 13 + ones : 12;
    const std::uint64_t bytes = log2 >= 63 ? ~std::uint64_t{0} : std::uint64_t{1} << log2;
    const std::uint64_t first = log2 >= 63 ? 0 : address & ~(bytes - 1);
    if (device_tlb_) device_tlb_(std::uint16_t(word >> 32), first, bytes);
    return none;
}

unsigned Unit::wait(const Descriptor& descriptor) {
    const std::uint64_t word = descriptor[0];
    constexpr std::uint64_t known = type_bits | bits(7, 4) | bits(63, 32);
    constexpr std::uint64_t store = 1 << 5;
    if ((word & ~known) != 0 || (descriptor[1] & 3) != 0) return reserved_set;
    if ((word & 1 << 7) != 0) return reserved_set;  // no page requests
    if ((word & store) != 0) {
        if (!memory_.contains(descriptor[1], 4))
            complain(fmt::format("a wait's status word at {:#x} is outside RAM", descriptor[1]));
        else
            memory_.store(descriptor[1], std::uint32_t(word >> 32));
    }
    if ((word & 1 << 4) != 0) wait_done_ = true;
    return none;
}

unsigned Unit::invalidate_pasid_translations(const Descriptor& descriptor) {
    const std::uint64_t word = descriptor[0];
    constexpr std::uint64_t known = type_bits | bits(5, 4) | bits(31, 16) | bits(51, 32);
    const unsigned granularity = word >> 4 & 3;
    if ((word & ~known) != 0 || granularity < 2 || (descriptor[1] & bits(11, 7)) != 0)
        return reserved_set;
    if (granularity == 2 && descriptor[1] != 0) return reserved_set;
    check_domain(domain_of(word));
    Caches& caches = translator_.caches();
    if (granularity == 2)
        caches.forget_pasid(domain_of(word), pasid_of(word));
    else
        caches.forget_pasid_pages(domain_of(word), pasid_of(word), descriptor[1] & ~0xfffull,
                                  checked_am(descriptor[1]), (descriptor[1] & 1 << 6) != 0);
    return none;
}

unsigned Unit::invalidate_spaces(const Descriptor& descriptor) {
    const std::uint64_t word = descriptor[0];
    constexpr std::uint64_t known = type_bits | bits(5, 4) | bits(31, 16) | bits(51, 32);
    const unsigned granularity = word >> 4 & 3;
    if ((word & ~known) != 0 || descriptor[1] != 0 || granularity == 2) return reserved_set;
    Caches& caches = translator_.caches();
    if (granularity == 3) {
        caches.forget_spaces();
        if (!owes_contexts_) owes_spaces_ = false;
        return none;
    }
    check_domain(domain_of(word));
    caches.forget_spaces(domain_of(word),
                         granularity == 1 ? std::optional(pasid_of(word)) : std::nullopt);
    return none;
}

}  // namespace smmu::model::vtd

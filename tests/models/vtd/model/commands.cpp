// SPDX-License-Identifier: Apache-2.0
// Unit: the global command register (VT-d 5.10, 11.4.4).
#include <fmt/format.h>

#include <bit>

#include "tests/models/vtd/model/registers.hpp"
#include "tests/models/vtd/model/unit.hpp"

namespace smmu::model::vtd {

void Unit::command(std::uint32_t value) {
    if ((value & ~(gcmd::one_shot | gcmd::lasting)) != 0)
        complain(fmt::format("reserved bits of the global command are set: {:#x}", value));
    const std::uint32_t changed = ((value ^ status_) & gcmd::lasting) | (value & gcmd::one_shot);
    if (pending_ != 0) {
        // Writing again what is under way changes nothing.
        complain(fmt::format("a global command {:#x} while bit {} is not acknowledged", value,
                             std::countr_zero(pending_)));
        return;
    }
    if (changed == 0) return;
    if (!std::has_single_bit(changed)) {
        complain(fmt::format("several bits of the global command at once: {:#x}", changed));
        for (std::uint32_t rest = changed; rest != 0; rest &= rest - 1) {
            const std::uint32_t bit = rest & (~rest + 1);
            take_effect(bit, (value & bit) != 0);
        }
        return;
    }
    pending_ = changed;
    pending_on_ = (value & changed) != 0;
    readings_left_ = behaviour_.acknowledge_delay;
    if (changed == gcmd::set_root || changed == gcmd::set_interrupts) status_ &= ~changed;
    if (changed == gcmd::flush_buffer) status_ |= changed;
    if ((changed & behaviour_.never_acknowledged) == 0 && readings_left_ == 0) count_down();
}

// A reading of GSTS.
void Unit::count_down() {
    if (pending_ == 0 || (pending_ & behaviour_.never_acknowledged) != 0) return;
    if (readings_left_ != 0) {
        --readings_left_;
        return;
    }
    take_effect(std::exchange(pending_, 0), pending_on_);
}

void Unit::take_effect(std::uint32_t bit, bool on) {
    switch (bit) {
        case gcmd::translation:
            return set_translation(on);
        case gcmd::set_root:
            return set_root();
        case gcmd::queue:
            return set_queue(on);
        case gcmd::flush_buffer:
            view_.flush_write_buffer();
            status_ &= ~bit;
            return;
        case gcmd::interrupts:
        case gcmd::set_interrupts:
        case gcmd::compatible_interrupts:
            if (!features_.interrupt_remapping)
                return complain("interrupt remapping is commanded on a unit without it");
            if (bit == gcmd::set_interrupts &&
                !memory_.contains(stored64(reg::irta) & ~0xfffull, 16))
                complain("the interrupt remapping table is outside RAM");
            break;
        default:
            return complain(fmt::format("bit {} of the global command is not in this unit",
                                        std::countr_zero(bit)));
    }
    status_ = on ? status_ | bit : status_ & ~bit;
}

void Unit::set_root() {
    const std::uint64_t root = stored64(reg::rtaddr);
    const auto mode = Mode(root >> 10 & 3);
    const std::uint64_t beyond = ~std::uint64_t{0} << host_bits_;
    if ((root & (0x3ff | beyond)) != 0)
        complain(fmt::format("reserved bits of the root table address are set: {:#x}", root));
    if ((mode == Mode::scalable && !features_.scalable) ||
        (mode == Mode::abort && !features_.abort_mode) || mode == Mode::reserved)
        complain(fmt::format("translation table mode {} is not in this unit", unsigned(mode)));
    else if (mode != Mode::abort && !memory_.contains(root & ~0xfffull, 4096))
        complain(fmt::format("the root table at {:#x} is outside RAM", root & ~0xfffull));
    if (is_on(gcmd::translation) && !features_.srtp_invalidates &&
        ((root ^ latched_root_) & 0xc80) != 0)
        complain("the translation table mode is changed while translation is on");
    if (is_on(gcmd::queue) && mode != Mode::legacy && (stored(reg::iqa) & 1 << 11) == 0)
        complain("this translation table mode needs a queue of 256-bit descriptors");
    latched_root_ = root;
    translator_.set_root(root);
    if (features_.srtp_invalidates) translator_.caches().forget_everything();
    owes_contexts_ = owes_translations_ = !features_.srtp_invalidates && mode != Mode::abort;
    owes_spaces_ = owes_contexts_ && mode == Mode::scalable;
    status_ |= gcmd::set_root;
}

void Unit::set_translation(bool on) {
    if (on) {
        if (!is_on(gcmd::set_root)) complain("translation is enabled without a root table");
        if (owes_contexts_) complain("translation is enabled with old context entries cached");
        if (owes_spaces_) complain("translation is enabled with old PASID entries cached");
        if (owes_translations_) complain("translation is enabled with old translations cached");
        status_ |= gcmd::translation;
        return;
    }
    status_ &= ~gcmd::translation;
    if (features_.scalable) translator_.caches().forget_everything();
    if (!is_on(gcmd::interrupts)) faults_.restart();
}

void Unit::set_queue(bool on) {
    if (!features_.queued) return complain("queued invalidation is commanded on a unit without it");
    if (!on) {
        if (queue_head_ != (stored(reg::iqt) & 0x7fff0))
            complain("the queue is disabled while descriptors are left");
        else if (!last_was_wait_)
            complain("the queue is disabled and its last descriptor was not a wait");
        status_ &= ~gcmd::queue;
        queue_head_ = 0;
        return;
    }
    const std::uint64_t address = stored64(reg::iqa);
    if ((stored(reg::iqt) & 0x7fff0) != 0 || queue_head_ != 0)
        complain("the queue is enabled while its pointers are not zero");
    if ((address & 0x7f8) != 0)
        complain(fmt::format("reserved bits of the queue's address are set: {:#x}", address));
    if (!memory_.contains(address & ~0xfffull, 4096ull << (address & 7)))
        complain(fmt::format("the queue at {:#x} is outside RAM", address & ~0xfffull));
    if ((address & 1 << 11) != 0 && !features_.scalable && !features_.abort_mode)
        complain("256-bit descriptors are chosen on a unit without scalable mode");
    if ((address & 1 << 11) == 0 && (latched_root_ >> 10 & 3) != 0 && is_on(gcmd::translation))
        complain("this translation table mode needs a queue of 256-bit descriptors");
    last_was_wait_ = false;
    status_ |= gcmd::queue;
    fetch_descriptors();
}

void Unit::invalidated_contexts() {
    owes_contexts_ = false;
}

// Only after the entries above: else they would be used to fill the IOTLB again.
void Unit::invalidated_translations() {
    if (!owes_contexts_ && !owes_spaces_) owes_translations_ = false;
}

}  // namespace smmu::model::vtd

// SPDX-License-Identifier: Apache-2.0
// Unit: one remapping unit: its registers (VT-d 5.10, 11.4), its invalidation queue (6.5), and what
// it makes of requests. Commands take effect when the specification says that they may at the
// latest: with their acknowledgement, which may be delayed or never come.
#pragma once

#include <array>
#include <functional>

#include "tests/models/vtd/model/fault_log.hpp"
#include "tests/models/vtd/model/translator.hpp"

namespace smmu::model::vtd {

class Unit {
public:
    static constexpr std::uint64_t window_bytes = 4096;

    // A device TLB's owner: forgets translations of `source` from `address` on.
    using DeviceTlb =
        std::function<void(std::uint16_t source, std::uint64_t address, std::uint64_t bytes)>;

    Unit(const Features& features, const Behaviour& behaviour, unsigned host_bits, Memory& memory,
         Complaints& complaints, const std::string& name);
    Unit(const Unit&) = delete;
    Unit& operator=(const Unit&) = delete;

    // Naturally aligned, 4 or 8 bytes.
    std::uint64_t read(std::uint64_t offset, unsigned bytes);
    void write(std::uint64_t offset, unsigned bytes, std::uint64_t value);

    Outcome handle(const Request& request);
    void set_device_tlb(DeviceTlb device_tlb) { device_tlb_ = std::move(device_tlb); }

    // What a cache-line flush does (Behaviour::sees_cleaning), and whether the walker sees what
    // memory holds.
    void clean(PhysRange range) { view_.clean(range); }
    bool visible(PhysRange range) const { return view_.visible(range); }

private:
    // The outcome of one descriptor: 0, or the value of IQEI.
    using Descriptor = std::array<std::uint64_t, 4>;

    std::uint32_t& stored(unsigned offset) { return words_[offset / 4]; }
    std::uint64_t stored64(unsigned offset) {
        return stored(offset) | std::uint64_t{stored(offset + 4)} << 32;
    }
    std::uint32_t read_dword(unsigned offset);
    void write_dword(unsigned offset, std::uint32_t value);
    void write_protected_memory(unsigned offset, std::uint32_t value);
    void complain(std::string what) { complaints_.add(name_ + ": " + std::move(what)); }
    bool is_on(std::uint32_t bit) const { return (status_ & bit) != 0; }

    // Commands.
    void command(std::uint32_t value);
    void count_down();
    void take_effect(std::uint32_t bit, bool on);
    void set_root();
    void set_translation(bool on);
    void set_queue(bool on);
    void invalidated_contexts();
    void invalidated_translations();

    // Invalidation by registers.
    void context_command(std::uint32_t high);
    void translation_command(std::uint32_t high);
    bool registers_answer(const char* which);

    // Invalidation by the queue.
    void write_tail(std::uint32_t value);
    void fetch_descriptors();
    unsigned execute(const Descriptor& descriptor);
    unsigned invalidate_contexts(const Descriptor& descriptor);
    unsigned invalidate_translations(const Descriptor& descriptor);
    unsigned invalidate_device_tlb(const Descriptor& descriptor);
    unsigned wait(const Descriptor& descriptor);
    unsigned invalidate_pasid_translations(const Descriptor& descriptor);
    unsigned invalidate_spaces(const Descriptor& descriptor);
    void queue_error(unsigned reason, const std::string& why);
    void invalidate_context_range(unsigned granularity, std::uint16_t domain, std::uint16_t source,
                                  unsigned function_mask);
    void invalidate_pages(unsigned granularity, std::uint16_t domain, std::uint64_t address_word);
    unsigned checked_am(std::uint64_t address_word);
    void check_domain(std::uint16_t domain);

    bool is_protected(std::uint64_t address);

    Features features_;
    Behaviour behaviour_;
    unsigned host_bits_;
    Memory& memory_;
    Complaints& complaints_;
    std::string name_;
    View view_;
    Translator translator_;
    FaultLog faults_;
    DeviceTlb device_tlb_;

    std::array<std::uint32_t, window_bytes / 4> words_{};
    std::uint32_t status_ = 0;   // GSTS
    std::uint32_t pending_ = 0;  // GCMD bit that has not taken effect
    bool pending_on_ = false;
    unsigned readings_left_ = 0;
    std::uint64_t latched_root_ = 0;
    std::uint32_t queue_head_ = 0;
    bool queue_error_ = false;
    unsigned queue_error_reason_ = 0;
    bool last_was_wait_ = false;
    bool wait_done_ = false;  // ICS.IWC
    // What software owes after a new root pointer before it may rely on it.
    bool owes_contexts_ = false;
    bool owes_spaces_ = false;
    bool owes_translations_ = false;
};

}  // namespace smmu::model::vtd

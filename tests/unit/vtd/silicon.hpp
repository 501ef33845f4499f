// SPDX-License-Identifier: Apache-2.0
// Silicon: a VT-d unit in software, written from the architecture's numbers alone: it shares no
// declaration with the driver. It is stricter than any emulator: caches are tagged by domain and
// forget only on the right request, nothing flushes by itself, guards of registers are checked, and
// it can be told to fail.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/clock.hpp"
#include "hw/mmio.hpp"
#include "memory/arena.hpp"
#include "platform/platform.hpp"

namespace silicon {

inline constexpr std::uint64_t unit_base = 0xfed9'0000;
inline constexpr std::uint64_t memory_base = 0x1000'0000;
inline constexpr std::size_t memory_bytes = 0x40'0000;

inline constexpr unsigned host_bits = 46;
inline constexpr unsigned first_stage_tag = 0x1'0000;

inline constexpr std::uint64_t bit(unsigned n) {
    return std::uint64_t{1} << n;
}

// What the registers say; defaults are a middling server part.
struct Parameters {
    std::uint32_t version = 0x10;
    unsigned domains_code = 6, guest_width = 48, supported_widths = 0b00110, large_pages = 3,
             address_mask = 18;
    unsigned fault_records = 8, fault_offset = 0x400, invalidation_offset = 0x500;
    bool caching_mode = false, write_buffer = false, protected_memory = false,
         page_selective = true, drains = true;
    bool root_invalidates = false, queued = true, coherent = true, interrupt_remapping = true;
    bool scalable = false, second_stage = false, first_stage = false, five_levels = false;
    bool walks_snoop = true, snoop_control = false, abort_mode = false;
    std::uint64_t capability() const;
    std::uint64_t extended() const;
};

struct Outcome {
    bool passed = false;
    std::uint64_t address = 0;
    unsigned reason = 0;
};

class Unit final : public smmu::hw::Mmio {
public:
    explicit Unit(Parameters parameters);

    std::uint32_t read32(std::uint64_t offset) noexcept override;
    std::uint64_t read64(std::uint64_t offset) noexcept override;
    void write32(std::uint64_t offset, std::uint32_t value) noexcept override;
    void write64(std::uint64_t offset, std::uint64_t value) noexcept override;

    // A request of a device; refusals are recorded as hardware would.
    Outcome dma(std::uint16_t source, std::uint64_t address, bool write);
    void record(std::uint16_t source, std::uint64_t address, unsigned reason, unsigned type);

    // A copy in the same state, tables and caches included, with nobody watching.
    std::unique_ptr<Unit> as_found_after_a_crash() const;

    std::uint64_t word(std::uint64_t address) const;
    void set_word(std::uint64_t address, std::uint64_t value);
    bool in_memory(std::uint64_t address) const;

    // Misbehaviour.
    std::uint32_t never_acknowledged = 0;  // bits of GSTS that stay as they are
    bool queue_is_silent = false;
    int broken_descriptors = 0;  // so many of the next ones raise IQE
    int timeouts = 0;            // so many of the next ones raise ITE
    bool gone = false;           // all ones
    bool protection_is_stuck = false;

    // What happened. Every register write; commands of the queue as "context device 5 18", "wait",
    // ...
    std::vector<std::pair<std::uint64_t, std::uint64_t>> writes;
    std::vector<std::string> commands;
    std::vector<std::string> complaints;  // what the manual forbids
    std::function<void()> after_write;
    int buffer_flushes = 0;

    Parameters parameters;
    std::uint32_t status = 0;  // GSTS
    std::uint64_t root = 0, latched_root = 0;
    std::uint64_t queue_head = 0, queue_tail = 0, queue_address = 0;
    std::uint32_t faults = 0;  // FSTS without PPF and FRI
    std::vector<std::array<std::uint64_t, 2>> records;
    std::uint32_t protection = 0;
    std::uint64_t low_base = 0, low_limit = 0, high_base = 0, high_limit = 0;
    std::uint64_t protected_granule = 1;  // bits of bases and limits below it cannot be set
    std::uint64_t interrupt_table = 0;
    std::vector<std::byte> storage;
    std::byte* memory = nullptr;

private:
    struct Page {
        std::uint64_t address;
        unsigned permissions;  // 0: absence, cached in caching mode
    };
    void complain(std::string text) { complaints.push_back(std::move(text)); }
    void command(std::uint32_t value);
    void run_queue();
    bool run_descriptor(std::uint64_t low, std::uint64_t high);
    bool is_scalable() const { return (latched_root >> 10 & 3) == 1 && parameters.scalable; }
    std::uint64_t slot_bytes() const { return (queue_address & 0x800) != 0 ? 32 : 16; }
    bool run_pasid_descriptor(std::uint64_t low, std::uint64_t high);
    void forget_contexts(unsigned granularity, unsigned domain, unsigned source);
    void forget_pasids(unsigned granularity, unsigned domain);
    bool forget_translations(unsigned granularity, unsigned domain, std::uint64_t address_word);
    bool forget_pages(unsigned tag, std::uint64_t address_word);
    void forget_domain(unsigned tag);
    std::uint32_t fault_status() const;
    std::optional<std::pair<std::uint64_t, std::uint64_t>> context(std::uint16_t source,
                                                                   unsigned& reason);
    Page walk(std::uint64_t low, std::uint64_t high, std::uint64_t address, unsigned& reason);
    // Scalable mode, in silicon_scalable.cpp.
    using PasidEntry = std::array<std::uint64_t, 8>;
    Outcome scalable_dma(std::uint16_t source, std::uint64_t address, bool write);
    std::optional<std::uint64_t> scalable_context(std::uint16_t source, unsigned& reason);
    std::optional<PasidEntry> pasid_entry(std::uint16_t source, std::uint64_t context,
                                          unsigned& reason);
    unsigned fault_of(const PasidEntry& entry) const;
    Page first_stage_walk(const PasidEntry& entry, std::uint64_t address, bool write,
                          unsigned& reason);
    Outcome reach(std::uint64_t target) const;
    void wrote();

    std::map<std::uint16_t, std::pair<std::uint64_t, std::uint64_t>> contexts_;
    std::map<std::uint16_t, PasidEntry> pasids_;  // of PASID 0, by source
    // By tag and page; the tag is the domain, and first_stage_tag with it for the first stage.
    std::map<std::pair<unsigned, std::uint64_t>, Page> pages_;
    std::map<std::pair<unsigned, std::uint64_t>, std::uint64_t>
        walks_;  // tag, 2 MiB -> leaf table
    std::uint64_t context_command_ = 0, iotlb_command_ = 0, iva_ = 0;
    std::uint32_t fault_control_ = 0x8000'0000, queue_control_ = 0x8000'0000;
};

// Time that passes by itself when somebody waits.
class Time final : public smmu::Clock {
public:
    smmu::Instant now() noexcept override { return smmu::Instant(time_ += smmu::Nanoseconds(100)); }
    void pause(smmu::Nanoseconds length) noexcept override { time_ += length; }

private:
    smmu::Nanoseconds time_{};
};

// A machine with one unit and nothing else.
class Machine final : public smmu::platform::Platform {
public:
    explicit Machine(Unit& unit) : unit_(unit) {}
    std::string name() const override { return "silicon"; }
    smmu::memory::BootIdentity boot_identity() const override { return {1, 2, 3}; }
    std::vector<smmu::PhysRange> ram() const override { return {}; }
    smmu::Result<std::vector<smmu::platform::RawTable>> firmware_tables() override {
        return std::vector<smmu::platform::RawTable>{};
    }
    smmu::Result<std::unique_ptr<smmu::hw::Mmio>> registers(smmu::PhysRange range) override;
    smmu::Result<std::unique_ptr<smmu::platform::PciConfig>> pci_config(
        std::span<const smmu::platform::EcamWindow>) override {
        return smmu::fail(ENOTSUP, "none");
    }
    smmu::Result<smmu::memory::TableMemory> table_memory(std::optional<smmu::PhysRange>,
                                                         std::uint64_t) override;
    smmu::Result<std::unique_ptr<smmu::platform::PinnedMemory>> pin(smmu::UniqueFd, std::uint64_t,
                                                                    std::uint64_t) override {
        return smmu::fail(ENOTSUP, "none");
    }

    // In the unit's memory, where nobody takes frames: the last page of it.
    smmu::Result<smmu::PhysAddr> zero_page() override {
        return smmu::PhysAddr{memory_base + memory_bytes - 0x1000};
    }

    std::vector<smmu::PhysRange> mapped;

private:
    Unit& unit_;
};

}  // namespace silicon

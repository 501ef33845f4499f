// SPDX-License-Identifier: Apache-2.0
// An SMMUv3 in software, written from the numbers of IHI 0070: registers with their guards, both queues, caches that forget
// only what they are told to, walks of either stage in every granule. It complains about what the manual forbids, and
// misbehaves on request.
#pragma once

#include <functional>
#include <map>
#include <memory>

#include "hw/mmio.hpp"
#include "silicon_caches.hpp"

namespace silicon {

inline constexpr std::uint64_t memory_base = 0x4800'0000, memory_bytes = 8 << 20;

class Unit {
public:
    // With table memory of its own.
    Unit() : storage_(memory_bytes + 4096) {
        const auto start = reinterpret_cast<std::uintptr_t>(storage_.data());
        memory = {storage_.data() + (4096 - start % 4096) % 4096, memory_base, memory_bytes};
    }
    explicit Unit(const Memory& seen) : memory(seen) {}
    Unit(const Unit&) = delete;
    Unit& operator=(const Unit&) = delete;

    std::uint64_t read(std::uint64_t offset) {
        if (gone) return ~std::uint64_t{0};
        switch (offset) {
            case 0x00: return facts.idr0;
            case 0x04: return facts.idr1;
            case 0x0c: return facts.idr3;
            case 0x14: return facts.idr5;
            case 0x18: return facts.iidr;
            case 0x24: return acknowledged();
            case 0x54: return value(0x50);
            case 0x9c: return command_head_ | command_error_ << 24;
            case 0x100a8: return event_tail_ | (overflow_ ? 1u << 31 : 0);
            default: return value(offset);
        }
    }
    void write(std::uint64_t offset, std::uint64_t written) {
        if (gone) return;
        writes.push_back({offset, written});
        check_guard(offset);
        if (offset == 0x44) {
            if ((written >> 31 & 1) == 0) complaints.push_back("GBPA without Update");
            registers_[offset] = static_cast<std::uint32_t>(written) & (bypass_is_stuck ? ~0u : ~(1u << 31));
        } else if (offset == 0x9c) {
            command_head_ = static_cast<std::uint32_t>(written);
        } else if (offset == 0x100a8) {
            event_tail_ = static_cast<std::uint32_t>(written) & 0xfffff;
            overflow_ = (written >> 31 & 1) != 0;
        } else {
            registers_[offset] = written;
        }
        check_errata(offset);
        if (offset == 0x98 || offset == 0x64 || offset == 0x20) run_commands();
        if (after_write) after_write();
    }

    bool is_on() const { return (acknowledged() & 1) != 0; }
    bool is_hung() const { return commands_are_silent; }
    bool aborts() const { return (value(0x44) >> 20 & 1) != 0; }

    // An access of a device; where it arrives. `refused`: it does not, and is recorded as the entry says.
    static constexpr std::uint64_t refused = ~std::uint64_t{0};
    std::uint64_t dma(std::uint32_t stream, std::uint64_t address, bool write = false) {
        if (!is_on()) return aborts() ? refused : address;
        const std::uint64_t pointer = pointer_of(stream);
        const std::uint64_t shape = value(0x88);
        if ((shape >> 16 & 3) != 1 || stream >> (shape & 0x3f) != 0 || (pointer & 31) != 9) return record(bad_stream, stream);
        const Words& entry = entry_of(stream, pointer);
        if (!Tables::is_valid(entry)) return record(bad_entry, stream);
        const bool first = Tables::is_stage1(entry);
        const auto regime = first ? tables_.stage1(descriptor_of(stream, entry)) : tables_.stage2(entry);
        if (!regime) return record(first ? bad_descriptor : bad_entry, stream);
        if (address >> regime->input_bits != 0) return refuse(no_translation, stream, *regime, address, write);
        const auto reach = translate(*regime, address);
        if (!reach) return refuse(reach.error(), stream, *regime, address, write);
        if (!(write ? reach->write : reach->read)) return refuse(no_permission, stream, *regime, address, write);
        return reach->physical;
    }
    // A record without an address, or of an access.
    std::uint64_t record(unsigned type, std::uint32_t stream) { return put({type | std::uint64_t{stream} << 32, 0, 0, 0}); }
    std::uint64_t refuse(unsigned type, std::uint32_t stream, const Regime& regime, std::uint64_t address, bool write) {
        if (!regime.records) return refused;
        const bool second = regime.stage == 2;
        return put({type | std::uint64_t{stream} << 32,
                    std::uint64_t{2} << 40 | std::uint64_t{second} << 39 | std::uint64_t{!write} << 35, address,
                    second ? address & ~std::uint64_t{0xfff} : 0});
    }

    void raise(std::uint32_t errors) { registers_[0x60] = value(0x60) ^ errors; }
    void preset(std::uint64_t offset, std::uint64_t written) { registers_[offset] = written; }
    std::uint64_t word(std::uint64_t address) const { return memory.word(address); }

    Facts facts;

    // Misbehaviour.
    bool gone = false, bypass_is_stuck = false, commands_are_silent = false;
    std::uint32_t never_acknowledged = 0;  // bits of CR0 that stay as they are
    int illegal = 0;                       // so many of the next commands are refused

    std::vector<std::pair<std::uint64_t, std::uint64_t>> writes;
    std::vector<Command> commands;
    std::vector<std::string> complaints;
    std::function<void()> after_write;
    Memory memory;

private:
    std::uint64_t value(std::uint64_t offset) const {
        const auto at = registers_.find(offset);
        return at != registers_.end() ? at->second : 0;
    }
    std::uint32_t acknowledged() const {
        const auto wanted = static_cast<std::uint32_t>(value(0x20)) & 0x1f;
        return (wanted & ~never_acknowledged) | (stuck_ & never_acknowledged);
    }
    void check_guard(std::uint64_t offset) {
        const std::uint32_t on = acknowledged();
        const bool forbidden = ((offset == 0x80 || offset == 0x88 || offset == 0x2c || offset == 0x28) && (on & 1) != 0) ||
                               ((offset == 0x90 || offset == 0x9c) && (on & 8) != 0) ||
                               ((offset == 0xa0 || offset == 0x100a8) && (on & 4) != 0) ||
                               (offset == 0x44 && (value(0x44) >> 31 & 1) != 0);
        if (forbidden) complaints.push_back("register " + std::to_string(offset) + " written while it is in use");
    }

    static constexpr std::uint32_t mmu_600 = 0x483, mmu_700 = 0x487, mmu_l1 = 0x48a, mmu_s3 = 0x498;
    // Arm 3878312, 3995052 and those of MMU-700: broadcast TLB maintenance does harm unless it is ignored (CR2.PTM).
    void check_errata(std::uint64_t offset) {
        const bool listens = (facts.idr0 >> 5 & 1) != 0 && (value(0x2c) >> 2 & 1) == 0;
        const bool concerned = facts.is_part(mmu_700) || facts.is_part(mmu_l1) || facts.is_part(mmu_s3);
        if (offset == 0x20 && is_on() && listens && concerned) complaints.push_back("turned on without PTM");
    }
    // Arm 1076982: a CMD_SYNC that signals by an event. Arm 2812531: 64 commands and no CMD_SYNC among them.
    bool hangs_on(const Command& command) const {
        const bool is_sync = (command.first & 0xff) == 0x46;
        if (facts.is_part(mmu_600) && facts.is_before(0, 3) && is_sync && (command.first >> 12 & 3) == 2) return true;
        return facts.is_part(mmu_700) && facts.is_before(1, 1) && !is_sync && waiting_.size() >= 63;
    }

    // By way of the caches, which keep what they see.
    std::uint64_t pointer_of(std::uint32_t stream) {
        const std::uint64_t at = (value(0x80) & 0xf'ffff'ffff'ffc0) + 8 * (stream >> 8);
        return caches_.pointers.try_emplace(stream >> 8, memory.word(at)).first->second;
    }
    const Words& entry_of(std::uint32_t stream, std::uint64_t pointer) {
        const std::uint64_t at = (pointer & 0xf'ffff'ffff'ffc0) + 64 * (stream & 0xff);
        return caches_.entries.try_emplace(stream, tables_.words(at)).first->second;
    }
    const Words& descriptor_of(std::uint32_t stream, const Words& entry) {
        return caches_.descriptors.try_emplace(stream, tables_.words(Tables::descriptor_of(entry))).first->second;
    }
    std::expected<Reach, unsigned> translate(const Regime& regime, std::uint64_t address) {
        if (const auto cached = caches_.translation(regime, address)) return *cached;
        const auto [table, level] = caches_.table(regime, address);
        auto reach = tables_.walk(regime, table, level, address, [&](unsigned below, std::uint64_t found) {
            caches_.remember_table(regime, address, below, found);
        });
        if (!reach) return reach;
        caches_.remember(regime, address, *reach);
        reach->physical += address & ((std::uint64_t{1} << reach->size_log2) - 1);
        return reach;
    }

    std::uint64_t put(const std::array<std::uint64_t, 4>& event) {
        const std::uint64_t base = value(0xa0), log2 = base & 31;
        const auto head = static_cast<std::uint32_t>(value(0x100ac)) & 0xfffff;
        if ((acknowledged() & 4) == 0) return refused;
        if ((event_tail_ ^ head) == 1u << log2) {
            overflow_ = (value(0x100ac) >> 31 & 1) == 0;  // differs from what was acknowledged
            return refused;
        }
        const std::uint64_t at = (base & 0xf'ffff'ffff'ffe0) + 32 * (event_tail_ & ((1u << log2) - 1));
        for (std::size_t i = 0; i < event.size(); ++i) memory.set_word(at + 8 * i, event[i]);
        event_tail_ = (event_tail_ + 1) & ((2u << log2) - 1);
        return refused;
    }
    void run_commands() {
        stuck_ = acknowledged();
        const std::uint64_t base = value(0x90), log2 = base & 31;
        const bool is_stopped = ((value(0x60) ^ value(0x64)) & 1) != 0;
        if ((acknowledged() & 8) == 0 || commands_are_silent || is_stopped) return;
        command_error_ = 0;
        while (command_head_ != (value(0x98) & 0xfffff)) {
            const std::uint64_t at = (base & 0xf'ffff'ffff'ffe0) + 16 * (command_head_ & ((1u << log2) - 1));
            const Command command{memory.word(at), memory.word(at + 8)};
            const bool is_sync = (command.first & 0xff) == 0x46;
            if (illegal > 0 && !is_sync) {
                --illegal;
                command_error_ = 1;
                raise(1);
                return;
            }
            commands.push_back(command);
            command_head_ = (command_head_ + 1) & ((2u << log2) - 1);
            if (hangs_on(command)) commands_are_silent = true;
            if (commands_are_silent) return;
            if (!is_sync) {
                waiting_.push_back(command);
                continue;
            }
            for (const Command& each : std::exchange(waiting_, {})) caches_.carry_out(each);
        }
    }

    std::vector<std::byte> storage_;
    std::map<std::uint64_t, std::uint64_t> registers_{{0x44, 0x1000}};
    std::uint32_t stuck_ = 0, command_head_ = 0, command_error_ = 0, event_tail_ = 0;
    bool overflow_ = false;
    Tables tables_{memory, facts, complaints};
    Caches caches_{facts, complaints};
    std::vector<Command> waiting_;  // for a CMD_SYNC
};

// The driver's way to it.
class Forwarding final : public smmu::hw::Mmio {
public:
    explicit Forwarding(Unit& unit) : unit_(unit) {}
    std::uint32_t read32(std::uint64_t offset) noexcept override { return static_cast<std::uint32_t>(unit_.read(offset)); }
    std::uint64_t read64(std::uint64_t offset) noexcept override { return unit_.read(offset); }
    void write32(std::uint64_t offset, std::uint32_t value) noexcept override { unit_.write(offset, value); }
    void write64(std::uint64_t offset, std::uint64_t value) noexcept override { unit_.write(offset, value); }

private:
    Unit& unit_;
};

}  // namespace silicon

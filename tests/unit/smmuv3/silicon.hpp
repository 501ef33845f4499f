// SPDX-License-Identifier: Apache-2.0
// An SMMUv3 in software, written from the numbers of IHI 0070: registers with their guards, both queues, and stage-2 walks
// of a two-level table. It has no caches (emulated hardware has); it complains about what the manual forbids, and misbehaves
// on request.
#pragma once

#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hw/mmio.hpp"

namespace silicon {

inline constexpr std::uint64_t memory_base = 0x4800'0000, memory_bytes = 4 << 20;

class Unit {
public:
    Unit() : storage_(memory_bytes + 4096) {
        const auto start = reinterpret_cast<std::uintptr_t>(storage_.data());
        memory = storage_.data() + (4096 - start % 4096) % 4096;
    }

    std::uint64_t read(std::uint64_t offset) {
        if (gone) return ~std::uint64_t{0};
        switch (offset) {
            case 0x00: return 0x0d44'1019;  // S2P COHACC ASID16 VMID16 two-level, terminate only
            case 0x04: return 0x0273'0010;
            case 0x0c: return has_ranges ? 0x1404 : 0x1004;
            case 0x14: return 0x74;
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
            event_tail_ = static_cast<std::uint32_t>(written);
        } else {
            registers_[offset] = written;
        }
        if (offset == 0x98 || offset == 0x64 || offset == 0x20) run_commands();
        if (after_write) after_write();
    }

    bool is_on() const { return (acknowledged() & 1) != 0; }
    bool aborts() const { return (value(0x44) >> 20 & 1) != 0; }

    // A read of a device; where it arrives. Nothing: refused, and recorded as the entry says.
    static constexpr std::uint64_t refused = ~std::uint64_t{0};
    std::uint64_t dma(std::uint32_t stream, std::uint64_t address) {
        if (!is_on()) return aborts() ? refused : address;
        const std::uint64_t shape = value(0x88), pointer = word((value(0x80) & 0xf'ffff'ffff'ffc0) + 8 * (stream >> 8));
        if ((shape >> 16 & 3) != 1 || stream >> (shape & 0x3f) != 0 || (pointer & 31) != 9) return record(2, stream, 0);
        const std::uint64_t entry = (pointer & ~std::uint64_t{0x3f} & 0xf'ffff'ffff'ffff) + 64 * (stream & 0xff);
        if (word(entry) != 0xd) return record(4, stream, 0);
        const std::uint64_t middle = word(entry + 16);
        std::uint64_t table = word(entry + 24);
        unsigned shift = 12 + 9 * (static_cast<unsigned>(middle >> 38 & 3) + 1);  // S2SL0: 1 is level 1, 2 is level 0
        for (;; shift -= 9) {
            const std::uint64_t index = shift == 12 + 9 * ((middle >> 38 & 3) + 1) ? address >> shift : address >> shift & 511;
            const std::uint64_t found = word(table + 8 * index);
            if ((found & 1) == 0) return (middle >> 58 & 1) != 0 ? record(0x10, stream, address) : refused;
            if (shift == 12 || (found & 3) == 1)
                return (found & 0xffff'ffff'f000 & ~((std::uint64_t{1} << shift) - 1)) | (address & ((std::uint64_t{1} << shift) - 1));
            table = found & 0xffff'ffff'f000;
        }
    }
    std::uint64_t record(std::uint64_t type, std::uint32_t stream, std::uint64_t address) {
        const std::uint64_t base = value(0xa0), log2 = base & 31;
        const auto head = static_cast<std::uint32_t>(value(0x100ac)) & 0xfffff;
        if ((acknowledged() & 4) == 0) return refused;
        if ((event_tail_ ^ head) == 1u << log2) {
            overflow_ = (value(0x100ac) >> 31 & 1) == 0;  // differs from what was acknowledged
            return refused;
        }
        const std::uint64_t at = (base & 0xf'ffff'ffff'ffe0) + 32 * (event_tail_ & ((1u << log2) - 1));
        set_word(at, type | std::uint64_t{stream} << 32);
        set_word(at + 8, std::uint64_t{2} << 40 | std::uint64_t{1} << 39 | std::uint64_t{1} << 35);
        set_word(at + 16, address);
        set_word(at + 24, address & ~std::uint64_t{0xfff});
        event_tail_ = (event_tail_ + 1) & ((2u << log2) - 1);
        return refused;
    }

    std::uint64_t word(std::uint64_t address) const {
        std::uint64_t found = 0;
        if (address >= memory_base && address - memory_base <= memory_bytes - 8) std::memcpy(&found, memory + (address - memory_base), 8);
        return found;
    }
    void set_word(std::uint64_t address, std::uint64_t written) { std::memcpy(memory + (address - memory_base), &written, 8); }
    void raise(std::uint32_t errors) { registers_[0x60] = value(0x60) ^ errors; }
    void preset(std::uint64_t offset, std::uint64_t written) { registers_[offset] = written; }

    // Misbehaviour.
    bool gone = false, bypass_is_stuck = false, commands_are_silent = false, has_ranges = true;
    std::uint32_t never_acknowledged = 0;  // bits of CR0 that stay as they are
    int illegal = 0;                       // so many of the next commands are refused

    std::vector<std::pair<std::uint64_t, std::uint64_t>> writes;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> commands;
    std::vector<std::string> complaints;
    std::function<void()> after_write;
    std::byte* memory = nullptr;

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
    void run_commands() {
        stuck_ = acknowledged();
        const std::uint64_t base = value(0x90), log2 = base & 31;
        const bool is_stopped = ((value(0x60) ^ value(0x64)) & 1) != 0;
        if ((acknowledged() & 8) == 0 || commands_are_silent || is_stopped) return;
        command_error_ = 0;
        while (command_head_ != (value(0x98) & 0xfffff)) {
            const std::uint64_t at = (base & 0xf'ffff'ffff'ffe0) + 16 * (command_head_ & ((1u << log2) - 1));
            if (illegal > 0 && (word(at) & 0xff) != 0x46) {
                --illegal;
                command_error_ = 1;
                raise(1);
                return;
            }
            commands.push_back({word(at), word(at + 8)});
            command_head_ = (command_head_ + 1) & ((2u << log2) - 1);
        }
    }

    std::vector<std::byte> storage_;
    std::map<std::uint64_t, std::uint64_t> registers_{{0x44, 0x1000}};
    std::uint32_t stuck_ = 0, command_head_ = 0, command_error_ = 0, event_tail_ = 0;
    bool overflow_ = false;
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

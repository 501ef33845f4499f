// SPDX-License-Identifier: Apache-2.0
// What a unit reads in memory, written from the numbers of IHI 0070 (stream table entries, context descriptors) and of the
// Arm ARM (translation tables of every granule). What the manuals forbid is complained about.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace silicon {

// Memory as the unit sees it; nothing but zeros outside.
struct Memory {
    std::byte* start = nullptr;
    std::uint64_t base = 0, bytes = 0;

    std::uint64_t word(std::uint64_t address) const {
        std::uint64_t found = 0;
        if (address >= base && address - base <= bytes - 8) std::memcpy(&found, start + (address - base), 8);
        return found;
    }
    void set_word(std::uint64_t address, std::uint64_t written) const { std::memcpy(start + (address - base), &written, 8); }
};

// What the unit says of itself.
struct Facts {
    std::uint32_t idr0 = 0x0d44'1019;  // S2P COHACC ASID16 VMID16 two-level, terminate only
    std::uint32_t idr1 = 0x0273'0010;
    std::uint32_t idr3 = 0x1404;       // RIL
    std::uint32_t idr5 = 0x74;         // every granule, 44 bits
    std::uint32_t iidr = 0;

    bool has_stage(unsigned stage) const { return (idr0 >> (stage == 2 ? 0 : 1) & 1) != 0; }
    bool is_coherent() const { return (idr0 >> 4 & 1) != 0; }
    bool has_ranges() const { return (idr3 >> 10 & 1) != 0; }
    bool has_granule(unsigned log2) const { return log2 != 0 && (idr5 >> (4 + (log2 - 12) / 2) & 1) != 0; }
    static constexpr std::array<unsigned, 8> sizes{32, 36, 40, 42, 44, 48, 52, 56};
    unsigned output_bits() const { return sizes[idr5 & 7]; }

    // Parts by their number in IIDR, before a revision.
    bool is_part(std::uint32_t product) const { return (iidr & 0xfff) == 0x43b && iidr >> 20 == product; }
    bool is_before(std::uint32_t variant, std::uint32_t revision) const {
        return (iidr >> 12 & 0xff) < (variant << 4 | revision);
    }

    void only_granule(unsigned log2) { idr5 = (idr5 & ~0x70u) | 1u << (4 + (log2 - 12) / 2); }
    void only_stage1() { idr0 = (idr0 & ~1u) | 2; }
};

using Words = std::array<std::uint64_t, 8>;

// Where the walk of a stream begins, and what tags what it finds.
struct Regime {
    unsigned stage = 0, granule_log2 = 0, levels = 0, input_bits = 0;
    std::uint64_t root = 0;
    std::uint32_t tag = 0;  // VMID, or ASID with bit 16 set
    bool records = false;

    unsigned span_log2(unsigned level) const { return granule_log2 + (granule_log2 - 3) * level; }
};

struct Reach {
    std::uint64_t physical = 0;  // of the first byte
    bool read = false, write = false;
    unsigned size_log2 = 0;
};

// Types of records.
inline constexpr unsigned bad_stream = 0x02, bad_entry = 0x04, bad_descriptor = 0x0a, no_translation = 0x10, address_size = 0x11,
                          no_access_flag = 0x12, no_permission = 0x13;

class Tables {
public:
    Tables(const Memory& memory, const Facts& facts, std::vector<std::string>& complaints)
        : memory_(memory), facts_(facts), complaints_(complaints) {}

    Words words(std::uint64_t address) const {
        Words found;
        for (std::size_t i = 0; i < found.size(); ++i) found[i] = memory_.word(address + 8 * i);
        return found;
    }
    std::uint64_t word(std::uint64_t address) const { return memory_.word(address); }

    static bool is_valid(const Words& entry) { return (entry[0] & 1) != 0; }
    static bool is_stage1(const Words& entry) { return (entry[0] >> 1 & 7) == 5; }
    static std::uint64_t descriptor_of(const Words& entry) { return entry[0] & 0xf'ffff'ffff'ffc0; }

    // Stage 2 of a valid entry. Nothing: C_BAD_STE.
    std::optional<Regime> stage2(const Words& entry) const {
        const std::uint64_t middle = entry[2];
        Regime regime{.stage = 2, .granule_log2 = granule(middle >> 46), .input_bits = input_bits(middle >> 32),
                      .root = entry[3] & 0xf'ffff'ffff'fff0, .tag = static_cast<std::uint32_t>(middle & 0xffff),
                      .records = (middle >> 58 & 1) != 0};
        const unsigned start = middle >> 38 & 3, output = Facts::sizes[middle >> 48 & 7];
        regime.levels = start + (regime.granule_log2 == 12 ? 2 : 1);
        // Some start levels need wide physical addresses; the widest levels there are in this architecture.
        const bool highest = regime.levels == (regime.granule_log2 == 12 ? 4 : 3);
        const unsigned wider_than = regime.granule_log2 == 14 ? 40 : 42;
        if ((entry[0] >> 1 & 7) != 6 || !facts_.has_stage(2)) return bad("an entry with another Config than stage 2");
        if ((middle >> 51 & 1) == 0 || (middle >> 57 & 1) != 0) return bad("an entry without S2AA64, or that stalls");
        if ((entry[1] >> 28 & 3) != 0) return bad("an entry with EATS");
        if (start == 3 || (highest && facts_.output_bits() <= wider_than)) return bad("an entry with a start level that is not there");
        if (output > facts_.output_bits() || regime.input_bits > output) return bad("an entry with sizes beyond the unit's");
        if (!walks_suit(middle >> 40)) return bad("an entry whose walks are cached otherwise than the unit can");
        return sound(regime, 4) ? std::optional(regime) : std::nullopt;
    }

    // Stage 1, by an entry's descriptor. Nothing: C_BAD_CD.
    std::optional<Regime> stage1(const Words& descriptor) const {
        const std::uint64_t low = descriptor[0];
        Regime regime{.stage = 1, .granule_log2 = granule(low >> 6), .input_bits = input_bits(low),
                      .root = descriptor[1] & 0xf'ffff'ffff'fff0, .tag = static_cast<std::uint32_t>(1u << 16 | low >> 48),
                      .records = (low >> 45 & 1) != 0};
        constexpr std::uint64_t always = 1ull << 31 | 1ull << 30 | 1ull << 41 | 1ull << 46;  // V EPD1 AA64 A
        if ((low & always) != always || !facts_.has_stage(1)) return bad("a descriptor that is not one");
        if (regime.input_bits > 48 || regime.input_bits < 25 || Facts::sizes[low >> 32 & 7] > facts_.output_bits())
            return bad("a descriptor with sizes beyond the unit's");
        if (!walks_suit(low >> 8) || (descriptor[3] & 0xff) != 0xff) return bad("a descriptor with other attributes");
        regime.levels = 1;
        while (regime.granule_log2 != 0 && regime.span_log2(regime.levels) < regime.input_bits) ++regime.levels;
        return sound(regime, 0) ? std::optional(regime) : std::nullopt;
    }

    // A walk from a table at a level; `on_link` hears of every table on the way.
    template <class OnLink>
    std::expected<Reach, unsigned> walk(const Regime& regime, std::uint64_t table, unsigned level, std::uint64_t address,
                                        OnLink on_link) const {
        const std::uint64_t page_mask = 0xffff'ffff'ffff & ~((std::uint64_t{1} << regime.granule_log2) - 1);
        for (;; --level) {
            const unsigned span = regime.span_log2(level);
            const std::uint64_t index = level + 1 == regime.levels
                                            ? address >> span
                                            : address >> span & ((std::uint64_t{1} << (regime.granule_log2 - 3)) - 1);
            const std::uint64_t found = word(table + 8 * index);
            if ((found & 1) == 0 || (level == 0 && (found & 3) == 1)) return std::unexpected(no_translation);
            const std::uint64_t target = found & page_mask;
            if (target >> facts_.output_bits() != 0) return std::unexpected(address_size);
            if (level == 0 || (found & 3) == 1) return leaf(regime, found, target, level);
            if ((found & ~(page_mask | 3)) != 0) complain("a table descriptor with other bits than its address");
            on_link(level - 1, table = target);
        }
    }

private:
    static unsigned granule(std::uint64_t code) { return std::array{12u, 16u, 14u, 0u}[code & 3]; }  // TG0, S2TG
    static unsigned input_bits(std::uint64_t code) { return 64 - static_cast<unsigned>(code & 63); }  // T0SZ
    bool walks_suit(std::uint64_t attributes) const {  // IR, OR, SH
        return (attributes & 0x3f) == (facts_.is_coherent() ? 0x35u : 0x20u);
    }
    bool sound(const Regime& regime, unsigned joined_log2) const {
        if (!facts_.has_granule(regime.granule_log2)) return bad("a granule that the unit does not have").has_value();
        const unsigned below = regime.span_log2(regime.levels - 1);
        if (regime.input_bits <= below || regime.input_bits - below > regime.granule_log2 - 3 + joined_log2)
            return bad("a start level that does not suit the size of addresses").has_value();
        if ((regime.root & ((std::uint64_t{8} << (regime.input_bits - below)) - 1)) != 0)
            return bad("a root table that is not aligned to its size").has_value();
        return true;
    }
    std::expected<Reach, unsigned> leaf(const Regime& regime, std::uint64_t found, std::uint64_t target, unsigned level) const {
        const unsigned size = regime.span_log2(level);
        const bool possible = level < (regime.granule_log2 == 12 ? 3u : 2u);
        if (!possible || (target & ((std::uint64_t{1} << size) - 1)) != 0)
            complain("a block of a size that is not there, or not aligned to it");
        if ((found & 0xfff0'0000'0000'0000) != 0) complain("a leaf with bits beyond its address");
        if ((found >> 10 & 1) == 0) return std::unexpected(no_access_flag);
        if (regime.stage == 2) return Reach{target, (found >> 6 & 1) != 0, (found >> 7 & 1) != 0, size};
        if ((found >> 6 & 1) == 0) return std::unexpected(no_permission);  // devices are not privileged
        return Reach{target, true, (found >> 7 & 1) == 0, size};
    }
    void complain(const std::string& what) const { complaints_.push_back(what); }
    std::optional<Regime> bad(const std::string& what) const {
        complain(what);
        return std::nullopt;
    }

    const Memory& memory_;
    const Facts& facts_;
    std::vector<std::string>& complaints_;
};

}  // namespace silicon

// SPDX-License-Identifier: Apache-2.0
// Snapshot: everything that VT-d hardware could take out of the tables in memory at one moment,
// found by a walker that knows the data sheet and nothing of the driver. Legacy mode with
// second-stage tables, scalable mode with tables of either stage.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <map>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <vector>

namespace smmu::test::vtd {

using Words = std::vector<std::uint64_t>;

// Memory from address 0.
struct Memory {
    std::span<const std::byte> bytes;

    bool holds(std::uint64_t address, std::uint64_t length) const {
        return address <= bytes.size() && length <= bytes.size() - address;
    }
    std::uint64_t word(std::uint64_t address) const {
        std::uint64_t value = 0;
        if (holds(address, 8)) std::memcpy(&value, bytes.data() + address, 8);
        return value;
    }
    Words page(std::uint64_t address) const {
        Words words(512);
        if (holds(address, 4096)) std::memcpy(words.data(), bytes.data() + address, 4096);
        return words;
    }
};

// What the capability registers say.
struct Capability {
    std::uint64_t cap = 0, ecap = 0;

    bool caching_mode() const { return (cap >> 7 & 1) != 0; }
    unsigned widths() const { return cap >> 8 & 0x1f; }
    unsigned superpages() const { return cap >> 34 & 0xf; }
    unsigned largest_mask() const { return cap >> 48 & 0x3f; }
    bool page_selective() const { return (cap >> 39 & 1) != 0; }
    bool drains_writes() const { return (cap >> 54 & 1) != 0; }
    bool drains_reads() const { return (cap >> 55 & 1) != 0; }
    std::uint64_t domains() const { return std::uint64_t{1} << (4 + 2 * (cap & 7)); }
    bool device_tlb() const { return (ecap >> 2 & 1) != 0; }
    bool snoop() const { return (ecap >> 7 & 1) != 0; }
    bool scalable() const { return (ecap >> 43 & 1) != 0; }
    bool walks_snoop() const { return (ecap >> 48 & 1) != 0; }
    bool mode_may_change() const { return (cap >> 63 & 1) != 0; }
    bool first_stage_gigabytes() const { return (cap >> 56 & 1) != 0; }
    bool five_levels() const { return (cap >> 60 & 1) != 0; }
};

enum class Mode : std::uint8_t { legacy, scalable };

inline constexpr std::uint64_t page_mask = 0x0000fffffffff000ull;

// What a request of one source finds: in scalable mode by way of the entry of PASID 0.
struct Context {
    std::uint32_t source = 0;
    std::uint64_t low = 0, high = 0;
    Mode mode = Mode::legacy;
    std::array<std::uint64_t, 8> pasid{};

    bool is_scalable() const { return mode == Mode::scalable; }
    bool is_first_stage() const { return is_scalable() && (pasid[0] >> 6 & 7) == 1; }
    bool present() const { return (low & 1) != 0; }
    // 0: translates.
    unsigned type() const {
        const unsigned granted = pasid[0] >> 6 & 7;
        return is_scalable() ? (granted == 1 || granted == 2 ? 0 : 2) : low >> 2 & 3;
    }
    std::uint64_t root() const {
        return (is_first_stage() ? pasid[2] : is_scalable() ? pasid[0] : low) & page_mask;
    }
    unsigned levels() const {
        if (is_first_stage()) return 4 + static_cast<unsigned>(pasid[2] >> 2 & 3);
        return static_cast<unsigned>(is_scalable() ? pasid[0] >> 2 & 7 : high & 7) + 2;
    }
    std::uint16_t domain() const {
        return static_cast<std::uint16_t>(is_scalable() ? pasid[1] : high >> 8);
    }
    friend auto operator<=>(const Context&, const Context&) = default;
};

inline unsigned shift_of(unsigned level) {
    return 12 + 9 * (level - 1);
}

// A table that a walk goes through: its 512 entries of `level` translate from `base` on.
struct Table {
    std::uint16_t domain = 0;
    unsigned level = 0;
    std::uint64_t base = 0, frame = 0;
    unsigned permissions = 3;
    bool first_stage = false;

    std::uint64_t last() const { return base + (std::uint64_t{512} << shift_of(level)) - 1; }
    friend auto operator<=>(const Table&, const Table&) = default;
};

struct Leaf {
    std::uint16_t domain = 0;
    std::uint64_t first = 0, last = 0, frame = 0;
    unsigned permissions = 0;
    bool first_stage = false;

    friend auto operator<=>(const Leaf&, const Leaf&) = default;
};

inline std::string text(const Context& c) {
    return fmt::format("context of {:#06x} ({:#x} {:#x}, domain {})", c.source, c.low, c.high,
                       c.domain());
}
inline std::string text(const Table& t) {
    return fmt::format("level {} table {:#x} for {:#x} of domain {}", t.level, t.frame, t.base,
                       t.domain);
}
inline std::string text(const Leaf& l) {
    return fmt::format("translation {:#x}-{:#x} to {:#x} ({}) of domain {}", l.first, l.last,
                       l.frame, l.permissions, l.domain);
}

template <class T>
void sort_unique(std::vector<T>& values) {
    std::sort(values.begin(), values.end());
    values.erase(std::unique(values.begin(), values.end()), values.end());
}
template <class T>
std::vector<T> minus(const std::vector<T>& a, const std::vector<T>& b) {
    std::vector<T> result;
    std::set_difference(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(result));
    return result;
}

struct Snapshot {
    std::vector<Context> contexts;
    std::vector<Table> tables;
    std::vector<Leaf> leaves;
    std::vector<std::uint64_t> roots;         // every pointer of the root table
    std::map<std::uint64_t, Words> contents;  // of every frame that was walked
    std::vector<std::string> illegal;
};

// Reads tables into a snapshot; everything that must not be there goes to `illegal`.
class Walker {
public:
    Walker(const Memory& memory, const Capability& capability, Snapshot& into)
        : memory_(memory), capability_(capability), into_(into) {}

    void walk_root(std::uint64_t root, Mode mode = Mode::legacy) {
        if (!memory_.holds(root, 4096))
            return illegal(fmt::format("root table {:#x} is not in memory", root));
        const Words& words = keep(root);
        if (mode == Mode::scalable) {
            for (unsigned half = 0; half < 512; ++half) {
                into_.roots.push_back(words[half]);
                if ((words[half] & ~page_mask & ~std::uint64_t{1}) != 0)
                    illegal(fmt::format("root entry {} is {:#x}", half, words[half]));
                if ((words[half] & 1) != 0) walk_half(half, words[half] & page_mask);
            }
            return finish();
        }
        for (unsigned bus = 0; bus < 256; ++bus) {
            const std::uint64_t low = words[2 * bus];
            into_.roots.push_back(low);
            if ((low & ~page_mask & ~std::uint64_t{1}) != 0 || words[2 * bus + 1] != 0)
                illegal(fmt::format("root entry {} is {:#x} {:#x}", bus, low, words[2 * bus + 1]));
            if ((low & 1) != 0) walk_contexts(bus, low & page_mask);
        }
        finish();
    }
    // What can be reached through a context or a table that may be cached still.
    void walk_stale(const Context& context) { walk_space(context); }
    void walk_stale(const Table& table) { walk_table(table); }
    // Follows the directory of a context of scalable mode as hardware does.
    void resolve(Context& context) {
        const std::uint64_t directory = context.low & page_mask;
        const std::uint64_t table = memory_.word(directory) & page_mask;
        if (!memory_.holds(directory, 4096) || !memory_.holds(table, 4096))
            return illegal("PASID tables are not in memory: " + text(context));
        const Words pointers = keep(directory), entries = keep(table);
        if ((pointers[0] & ~page_mask) != 1 || !all_zero(pointers, 1))
            illegal("not one PASID table: " + text(context));
        std::copy_n(entries.begin(), context.pasid.size(), context.pasid.begin());
        if (!all_zero(entries, context.pasid.size()))
            illegal("PASIDs other than 0: " + text(context));
    }
    void finish() {
        sort_unique(into_.contexts);
        sort_unique(into_.tables);
        sort_unique(into_.leaves);
    }

private:
    void illegal(std::string what) { into_.illegal.push_back(std::move(what)); }
    const Words& keep(std::uint64_t frame) {
        const auto found = into_.contents.find(frame);
        if (found != into_.contents.end()) return found->second;
        return into_.contents.emplace(frame, memory_.page(frame)).first->second;
    }

    void walk_contexts(unsigned bus, std::uint64_t frame) {
        if (!memory_.holds(frame, 4096))
            return illegal(fmt::format("context table {:#x} is not in memory", frame));
        const Words& words = keep(frame);
        for (unsigned devfn = 0; devfn < 256; ++devfn) {
            const Context context{bus << 8 | devfn, words[2 * devfn], words[2 * devfn + 1]};
            if (context.present()) {
                check(context);
                into_.contexts.push_back(context);
                walk_space(context);
            } else if ((context.low & ~std::uint64_t{2}) != 0 && context.low != 0) {
                illegal("not present but not empty: " + text(context));
            }
        }
    }
    static bool all_zero(const Words& words, std::size_t from) {
        return std::all_of(words.begin() + static_cast<std::ptrdiff_t>(from), words.end(),
                           [](std::uint64_t word) { return word == 0; });
    }
    void walk_half(unsigned half, std::uint64_t frame) {
        if (!memory_.holds(frame, 4096))
            return illegal(fmt::format("context table {:#x} is not in memory", frame));
        const Words words = keep(frame);
        for (unsigned i = 0; i < 128; ++i) {
            Context context{half << 7 | i, words[4 * i], words[4 * i + 1], Mode::scalable, {}};
            if (words[4 * i + 1] != 0 || words[4 * i + 2] != 0 || words[4 * i + 3] != 0)
                illegal("more than a directory in " + text(context));
            if (context.present()) {
                resolve(context);
                check_scalable(context);
                into_.contexts.push_back(context);
                walk_space(context);
            } else if ((context.low & ~std::uint64_t{2}) != 0) {
                illegal("not present but not empty: " + text(context));
            }
        }
    }
    void check_scalable(const Context& c) {
        // Present, recording; no translation requests, PASIDs, page requests; smallest directory.
        if ((c.low & 0xffc) != 0 || (c.low & 0xffff000000000000ull) != 0)
            illegal("lets more than requests without a PASID pass: " + text(c));
        if ((c.pasid[0] & 1) == 0 || c.type() != 0) illegal("does not translate: " + text(c));
        const std::uint64_t snoops = std::uint64_t{capability_.walks_snoop()} << 23 |
                                     std::uint64_t{capability_.snoop()} << 24;
        const std::uint64_t meant_first = c.is_first_stage() ? page_mask | 4 : 0;
        const bool more = c.pasid[3] != 0 || c.pasid[4] != 0 || c.pasid[5] != 0 ||
                          c.pasid[6] != 0 || c.pasid[7] != 0;
        if (more || (c.pasid[0] & 0xe22) != 0 || (c.pasid[1] & ~std::uint64_t{0xffff}) != snoops ||
            (c.pasid[2] & ~meant_first) != 0)
            illegal("reserved or open bits, or no snooping, in the PASID entry of " + text(c));
        const unsigned width = c.pasid[0] >> 2 & 7;
        if (c.is_first_stage() ? c.levels() == 5 && !capability_.five_levels()
                               : width > 4 || (capability_.widths() >> width & 1) == 0)
            illegal("unsupported width in " + text(c));
        if (c.domain() == 0 || c.domain() >= capability_.domains())
            illegal("domain out of range in " + text(c));
    }
    void check(const Context& c) {
        constexpr std::uint64_t reserved_low = 0xff0 | 0xffff000000000000ull;
        constexpr std::uint64_t reserved_high = 0xffffffffff000000ull | 0x80;
        const unsigned width = c.high & 7;
        if ((c.low & reserved_low) != 0 || (c.high & reserved_high) != 0)
            illegal("reserved bits in " + text(c));
        if (width > 4 || (capability_.widths() >> width & 1) == 0)
            illegal("unsupported width in " + text(c));
        if (c.type() != 0) illegal("lets everything pass: " + text(c));
        if (c.domain() == 0 || c.domain() >= capability_.domains())
            illegal("domain out of range in " + text(c));
    }
    void walk_space(const Context& context) {
        const unsigned levels = context.levels();
        if (context.type() == 0 && levels >= 3 && levels <= 5)
            walk_table({context.domain(), levels, 0, context.root(), 3, context.is_first_stage()});
    }

    void walk_table(const Table& table) {
        if (!visited_.insert(table).second) return;
        if (!memory_.holds(table.frame, 4096)) return illegal("not in memory: " + text(table));
        into_.tables.push_back(table);
        const Words& words = keep(table.frame);
        for (std::uint64_t i = 0; i < 512; ++i) {
            const std::uint64_t entry = words[i];
            const unsigned permissions =
                !table.first_stage ? entry & 3 : (entry & 1) == 0 ? 0 : 1 | (entry & 2);
            const std::uint64_t first = table.base + (i << shift_of(table.level));
            if (permissions == 0) {
                if ((entry & 0x000fffffffffffffull) != 0)
                    illegal(
                        fmt::format("entry {} of {} is {:#x}: not present but "
                                    "not empty",
                                    i, text(table), entry));
                continue;
            }
            if (table.first_stage)
                check_first_stage(table, i, entry);
            else
                check(table, i, entry);
            const bool is_leaf = table.level == 1 || (entry >> 7 & 1) != 0;
            const unsigned both = permissions & table.permissions;
            if (is_leaf)
                into_.leaves.push_back({table.domain, first,
                                        first + (std::uint64_t{1} << shift_of(table.level)) - 1,
                                        entry & page_mask, both, table.first_stage});
            else
                walk_table({table.domain, table.level - 1, first, entry & page_mask, both,
                            table.first_stage});
        }
    }
    // For users, accessed from the start, and dirty from the start where it can be written.
    void check_first_stage(const Table& table, std::uint64_t index, std::uint64_t entry) {
        const bool is_large = table.level > 1 && (entry >> 7 & 1) != 0;
        const bool is_table = table.level > 1 && !is_large;
        const std::uint64_t small_bits = (std::uint64_t{1} << shift_of(table.level)) - 1;
        const std::uint64_t flags = entry & ~page_mask & ~std::uint64_t{is_large ? 0x80u : 0u};
        const bool is_wrong =
            (flags != 0x25 && flags != (is_table ? 0x27u : 0x67u)) ||
            (is_large && (table.level > 3 || (entry & page_mask & small_bits) != 0 ||
                          (table.level == 3 && !capability_.first_stage_gigabytes())));
        if (is_wrong) illegal(fmt::format("entry {} of {} is {:#x}", index, text(table), entry));
    }
    void check(const Table& table, std::uint64_t index, std::uint64_t entry) {
        const bool is_large = table.level > 1 && (entry >> 7 & 1) != 0;
        const std::uint64_t small_bits = (std::uint64_t{1} << shift_of(table.level)) - 1;
        const bool is_table = table.level > 1 && !is_large;
        const bool is_wrong =
            (entry & 0x600f000000000000ull) != 0 ||
            ((entry >> 11 & 1) != 0 && (is_table || !capability_.snoop())) ||
            (is_large &&
             (table.level > 3 || (capability_.superpages() >> (table.level - 2) & 1) == 0)) ||
            (is_large && (entry & page_mask & small_bits) != 0);
        if (is_wrong) illegal(fmt::format("entry {} of {} is {:#x}", index, text(table), entry));
    }

    const Memory& memory_;
    const Capability& capability_;
    Snapshot& into_;
    std::set<Table> visited_;
};

}  // namespace smmu::test::vtd

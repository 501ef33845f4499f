// SPDX-License-Identifier: Apache-2.0
// Snapshot: everything that VT-d hardware could take out of the tables in memory at one moment,
// found by a walker that knows the data sheet and nothing of the driver. Legacy mode, second-stage
// tables.
#pragma once

#include <fmt/format.h>

#include <algorithm>
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
};

inline constexpr std::uint64_t page_mask = 0x0000fffffffff000ull;

struct Context {
    std::uint32_t source = 0;
    std::uint64_t low = 0, high = 0;

    bool present() const { return (low & 1) != 0; }
    unsigned type() const { return low >> 2 & 3; }
    std::uint64_t root() const { return low & page_mask; }
    unsigned levels() const { return static_cast<unsigned>(high & 7) + 2; }
    std::uint16_t domain() const { return static_cast<std::uint16_t>(high >> 8); }
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

    std::uint64_t last() const { return base + (std::uint64_t{512} << shift_of(level)) - 1; }
    friend auto operator<=>(const Table&, const Table&) = default;
};

struct Leaf {
    std::uint16_t domain = 0;
    std::uint64_t first = 0, last = 0, frame = 0;
    unsigned permissions = 0;

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
    std::vector<std::uint64_t>
        roots;  // every non-zero low word of the root table, with its bus in `root_buses`
    std::map<std::uint64_t, Words> contents;  // of every frame that was walked
    std::vector<std::string> illegal;
};

// Reads tables into a snapshot; everything that must not be there goes to `illegal`.
class Walker {
public:
    Walker(const Memory& memory, const Capability& capability, Snapshot& into)
        : memory_(memory), capability_(capability), into_(into) {}

    void walk_root(std::uint64_t root) {
        if (!memory_.holds(root, 4096))
            return illegal(fmt::format("root table {:#x} is not in memory", root));
        const Words& words = keep(root);
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
            walk_table({context.domain(), levels, 0, context.root(), 3});
    }

    void walk_table(const Table& table) {
        if (!visited_.insert(table).second) return;
        if (!memory_.holds(table.frame, 4096)) return illegal("not in memory: " + text(table));
        into_.tables.push_back(table);
        const Words& words = keep(table.frame);
        for (std::uint64_t i = 0; i < 512; ++i) {
            const std::uint64_t entry = words[i];
            const unsigned permissions = entry & 3;
            const std::uint64_t first = table.base + (i << shift_of(table.level));
            if (permissions == 0) {
                if ((entry & 0x000fffffffffffffull) != 0)
                    illegal(
                        fmt::format("entry {} of {} is {:#x}: not present but "
                                    "not empty",
                                    i, text(table), entry));
                continue;
            }
            check(table, i, entry);
            const bool is_leaf = table.level == 1 || (entry >> 7 & 1) != 0;
            const unsigned both = permissions & table.permissions;
            if (is_leaf)
                into_.leaves.push_back({table.domain, first,
                                        first + (std::uint64_t{1} << shift_of(table.level)) - 1,
                                        entry & page_mask, both});
            else
                walk_table({table.domain, table.level - 1, first, entry & page_mask, both});
        }
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

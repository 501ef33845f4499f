// SPDX-License-Identifier: Apache-2.0
// The state of one PageTable, its arithmetic, and the only door to entries that hardware may be walking.
// Included by the one .cpp of each format, through page_table_engine.hpp.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>

#include "memory/coherency.hpp"
#include "memory/rows.hpp"
#include "paging/page_table.hpp"
#include "paging/target.hpp"

namespace smmu::paging {

template <Format F>
struct PageTable<F>::State {
    using Entry = typename F::Entry;
    using Tally = memory::Arena::Tally;
    static_assert(std::atomic_ref<Entry>::is_always_lock_free);

    static constexpr unsigned most_levels = 6;
    static constexpr unsigned most_root_order = 4;  // joined root tables: 16

    // Frames of a table below the root, log2: a table of a granule of 16 or 64 KiB is several of 4 KiB.
    static constexpr unsigned table_order = [] {
        std::uint64_t largest = memory::frame_bytes;
        for (unsigned level = 0; level + 1 < most_levels; ++level)
            largest = std::max<std::uint64_t>(largest, sizeof(Entry) << F::index_bits(level));
        return static_cast<unsigned>(std::bit_width(largest - 1)) - memory::frame_log2;
    }();
    static constexpr std::uint64_t table_frames = std::uint64_t{1} << table_order;
    static constexpr std::uint64_t table_bytes = memory::frame_bytes << table_order;

    // What entries differ by that lead to consecutive memory, or to consecutive tables: rows of them are sequences.
    static constexpr Entry link_step = static_cast<Entry>(F::make_link({table_bytes}) - F::make_link({0}));
    static constexpr Entry leaf_step(unsigned level) {
        return static_cast<Entry>(F::make_leaf({span(level)}, read_write, level) - F::make_leaf({0}, read_write, level));
    }

    // A table as the engine walks it.
    struct Table {
        Entry* entries;
        unsigned level;
        Iova base;  // the first device address it translates
    };

    State(Geometry table_geometry, memory::Arena& table_arena, memory::Account& table_account)
        : geometry(table_geometry), arena(table_arena), account(table_account) {
        forget_use();
    }

    static bool sound(const Geometry& g) {
        if (g.levels == 0 || g.levels > most_levels || g.leaf_sizes == 0 || g.input_bits > 63) return false;
        const unsigned top = g.levels - 1;
        if (g.input_bits <= F::span_log2(0) || F::span_log2(top) > 63) return false;
        if (g.input_bits > F::span_log2(top) + F::index_bits(top) + most_root_order) return false;
        std::uint64_t possible = 0;
        for (unsigned level = 0; level < g.levels; ++level) possible |= std::uint64_t{1} << F::span_log2(level);
        return (g.leaf_sizes & ~possible) == 0;
    }

    // Arithmetic of the geometry.
    unsigned top() const { return geometry.levels - 1; }
    unsigned granule_log2() const { return static_cast<unsigned>(std::countr_zero(geometry.leaf_sizes)); }
    static std::uint64_t span(unsigned level) { return std::uint64_t{1} << F::span_log2(level); }
    std::uint64_t slots(unsigned level) const {
        if (level < top()) return std::uint64_t{1} << F::index_bits(level);
        // Hardware may walk more levels than the addresses need: then one entry of the root is in use.
        const unsigned below = F::span_log2(level);
        return geometry.input_bits > below ? std::uint64_t{1} << (geometry.input_bits - below) : 1;
    }
    unsigned root_order() const {
        const std::uint64_t bytes = slots(top()) * sizeof(Entry);
        return bytes <= memory::frame_bytes
                   ? 0
                   : static_cast<unsigned>(std::bit_width(bytes - 1)) - memory::frame_log2;
    }
    bool leaf_allowed(unsigned level) const {
        return (geometry.leaf_sizes >> F::span_log2(level) & 1) != 0;
    }
    // The level of the smallest leaves.
    unsigned lowest() const {
        unsigned level = 0;
        while (!leaf_allowed(level)) ++level;
        return level;
    }
    // Bit n set: leaves at level n suit memory that lies so far from its device addresses. Listed pages are single.
    std::uint64_t leaf_levels(const Map& map) const {
        std::uint64_t levels = 0;
        for (unsigned level = 0; level < geometry.levels; ++level)
            if (leaves_suit(map, level)) levels |= std::uint64_t{1} << level;
        return levels;
    }
    bool leaves_suit(const Map& map, unsigned level) const {
        if (!leaf_allowed(level)) return false;
        if (map.pages != nullptr) return level == lowest();
        return ((map.range.first.value - map.physical.value) & (span(level) - 1)) == 0;
    }
    std::uint64_t index_in(const Table& table, Iova address) const {
        return (address - table.base) >> F::span_log2(table.level);
    }
    IovaRange slot_range(const Table& table, std::uint64_t index) const {
        const Iova first = table.base + (index << F::span_log2(table.level));
        return {first, first + (span(table.level) - 1)};
    }
    Iova last_of(const Table& table) const { return slot_range(table, slots(table.level) - 1).last; }

    // By how many levels the largest leaf that mapping this makes is above the smallest: so many tables a cut in it takes.
    unsigned cut_depth(const Map& map) const {
        for (unsigned level = top(); level > lowest(); --level) {
            const std::uint64_t from = (map.range.first.value + (span(level) - 1)) >> F::span_log2(level);
            const std::uint64_t to = (map.range.last.value + 1) >> F::span_log2(level);
            if (leaves_suit(map, level) && from < to) return level - lowest();
        }
        return 0;
    }

    // Never a pointer outside the arena, whatever an entry says.
    Table table_at(PhysAddr address, unsigned level, Iova base) const {
        return {entries_at(address), level, base};
    }
    [[gnu::always_inline]] Entry* entries_at(PhysAddr address) const { return reinterpret_cast<Entry*>(arena.view(address)); }
    Table root_table() const { return table_at(root, top(), Iova{0}); }
    Table child(const Table& table, std::uint64_t index, Entry link) const {
        return table_at(F::link_target(link), table.level - 1, slot_range(table, index).first);
    }

    [[gnu::always_inline]] static Entry read(const Entry* place) {
        return __atomic_load_n(place, __ATOMIC_RELAXED);
    }
    static void write(Entry& place, Entry entry) { std::atomic_ref<Entry>(place).store(entry, std::memory_order_relaxed); }
    // entries[i] = first + i * step, each stored whole; in memory before the next fence.
    [[gnu::always_inline]] void write_row(Entry* entries, std::uint64_t count, Entry first, Entry step) {
        if (count == 1)
            write(*entries, first);
        else
            memory::rows::store(entries, count, first, step);
        memory::write_back(geometry.coherency, entries, count * sizeof(Entry));
    }
    // Whether the smallest leaf can say just this: the access, and where to.
    [[gnu::always_inline]] static bool says(Entry leaf, PhysAddr physical, Access access) {
        return F::expresses(access) && F::leaf_target(leaf, 0) == physical;
    }
    Entry load(const Table& table, std::uint64_t index) const {
        SMMU_ASSERT(index < slots(table.level));
        return read(table.entries + index);
    }

    // The one door, for one entry and for a row. From empty to something or from something to empty: there is no third way
    // through. What a link leads to was written back before (the caller fenced); the entry itself is before the next
    // fence.
    void store(const Table& table, std::uint64_t index, Entry entry) {
        const Entry before = load(table, index);
        SMMU_ASSERT(F::is_empty(before) != F::is_empty(entry));
        Tally& tally = arena.tally(table.entries);
        const bool link = !F::is_leaf(F::is_empty(entry) ? before : entry, table.level);
        const std::uint32_t one = F::is_empty(entry) ? ~std::uint32_t{0} : 1u;
        tally.live += one;
        if (link) tally.links += one;
        std::atomic_ref<Entry>(table.entries[index]).store(entry, std::memory_order_release);
        memory::write_back(geometry.coherency, &table.entries[index], sizeof(Entry));
    }

    // Entries in a row of one table.
    struct Place {
        Entry* entries;
        std::uint64_t count;
        unsigned level;
        Tally* tally;  // of the table
    };
    Place place(const Table& table, std::uint64_t index, std::uint64_t count) const {
        return {table.entries + index, count, table.level, &arena.tally(table.entries)};
    }
    // And what becomes of them: leaves of consecutive memory, or of listed pages.
    struct Row : Place {
        PhysAddr target;
        Access access;
        const PhysAddr* pages;  // where given, they count and not the target

        Entry first() const { return F::make_leaf(target, access, this->level); }
    };
    Row row_of_leaves(const Place& place, const Map& map, Iova at) const {
        const std::uint64_t done = at - map.range.first;
        const PhysAddr* const pages = map.pages != nullptr ? map.pages + (done >> granule_log2()) : nullptr;
        return {place, map.physical + done, map.access, pages};
    }
    static bool any_live(const Entry* entries, std::uint64_t count) {
        return count == 1 ? !F::is_empty(read(entries)) : memory::rows::any_live(entries, count);
    }
    static bool all_leaves(const Place& row) {
        if (row.level == 0) return all_live(row.entries, row.count);
        return std::all_of(row.entries, row.entries + row.count,
                           [&](const Entry& entry) { return F::is_leaf(read(&entry), row.level); });
    }
    static bool all_live(const Entry* entries, std::uint64_t count) {
        return count == 1 ? !F::is_empty(read(entries)) : memory::rows::all_live(entries, count);
    }

    // Leaves of listed pages, each stored whole. Where an entry holds the address as it is, a row is a row of sums.
    static void write_list(const Row& row) {
        if (leaf_step(row.level) == span(row.level)) {
            static_assert(sizeof(PhysAddr) == sizeof(std::uint64_t));
            const Entry bare = F::make_leaf({0}, row.access, row.level);
            memory::rows::store_from(row.entries, &row.pages->value, row.count, bare);
            return;
        }
        for (std::uint64_t i = 0; i < row.count; ++i)
            write(row.entries[i], F::make_leaf(row.pages[i], row.access, row.level));
    }

    // Every entry of the row was empty: the caller looked.
    void store_leaves(const Row& row) {
        row.tally->live += static_cast<std::uint32_t>(row.count);
        SMMU_ASSERT(row.tally->live <= slots(row.level));
        if (row.pages == nullptr) return write_row(row.entries, row.count, row.first(), leaf_step(row.level));
        write_list(row);
        memory::write_back(geometry.coherency, row.entries, row.count * sizeof(Entry));
    }
    // Every entry of the row was a leaf, and is nothing.
    void clear_leaves(const Place& row) {
        SMMU_ASSERT(row.tally->live >= row.count);
        row.tally->live -= static_cast<std::uint32_t>(row.count);
        write_row(row.entries, row.count, 0, 0);
    }

    // For tables below the root: whoever builds one writes every word.
    Result<void> take_frames(std::uint64_t count, std::vector<memory::Frame>& runs) {
        return arena.take_unwritten(account, count, table_order, runs);
    }
    static memory::Frame take_table(std::vector<memory::Frame>& runs) {
        SMMU_ASSERT(!runs.empty());
        memory::Frame table = runs.back().take_front(table_frames);
        if (!runs.back()) runs.pop_back();
        return table;
    }

    // While there are leaves that can be cut, what rebuilds the rest of one is kept aside: a removal never lacks frames. It
    // cuts twice at most, at its ends. Tables that it empties on the way there come back by its flush.
    std::uint64_t reserve_target() const { return 2 * std::uint64_t{reserved_depth}; }
    std::uint64_t reserved() const {
        std::uint64_t frames = 0;
        for (const memory::Frame& frame : reserve) frames += frame.count();
        return frames >> table_order;
    }
    Result<void> raise_reserve(unsigned depth) {
        if (depth <= reserved_depth) return {};
        const std::uint64_t held = reserved(), wanted = 2 * std::uint64_t{depth};
        SMMU_CHECK(take_frames(wanted - std::min(held, wanted), reserve));
        reserved_depth = depth;
        return {};
    }
    void lower_reserve(unsigned depth) {
        reserved_depth = std::min(reserved_depth, depth);
        for (std::uint64_t held = reserved(); held > reserve_target(); --held) arena.discard(take_table(reserve));
    }
    void refill_reserve() {
        const std::uint64_t held = reserved();
        if (held >= reserve_target()) return;
        const std::uint64_t obtainable = arena.available(account, table_order);
        const auto taken = take_frames(std::min<std::uint64_t>(reserve_target() - held, obtainable), reserve);
        SMMU_ASSERT(taken.has_value());
    }
    // A request is over, or was refused: what it took and did not link goes back.
    void settle(std::vector<memory::Frame>& runs) {
        planned = false;
        for (memory::Frame& frame : runs) arena.discard(std::move(frame));
        runs.clear();
        if (arena.tally(entries_at(root)).live == 0) lower_reserve(0);
        refill_reserve();
    }

    static std::uint64_t pages_in(IovaRange range) { return ((range.last - range.first) >> F::span_log2(0)) + 1; }
    // In a table below the root.
    static std::uint64_t index_at(unsigned level, Iova address) {
        return address.value >> F::span_log2(level) & ((std::uint64_t{1} << F::index_bits(level)) - 1);
    }
    static std::uint64_t index_in_leaf_table(Iova address) { return index_at(0, address); }

    // Where the walk for an address ends: at an empty entry, or at a leaf. What the caller wants to know of it is told by
    // `answer`; there is a function for each number of levels, straight down, since walks are as fast as they are short.
    struct Found {
        Entry entry;
        unsigned level;
    };
    static Found found(Iova, Entry entry, unsigned level) { return {entry, level}; }
    [[gnu::always_inline]] static Target target(Iova address, Entry entry, unsigned level) {
        if (F::is_empty(entry)) return {};
        return {F::leaf_target(entry, level) + (address.value & (span(level) - 1)), span(level)};
    }
    template <auto answer>
    [[gnu::always_inline]] auto find(Iova address) const {
        if (near(address)) [[likely]]
            return answer(address, read(last_used + index_in_leaf_table(address)), 0);
        const std::uint64_t region = address.value >> middle_reach;
        if (middles_for[region % middles] == region)
            return walk_down<answer, 1>(middle_tables[region % middles] + index_at(1, address), address);
        return walk<answer, possible_levels - 1>(address);
    }
    template <auto answer, unsigned root_level>
    [[gnu::noinline]] auto walk(Iova address) const {
        if constexpr (root_level > 0)
            if (root_level != top()) return walk<answer, root_level - 1>(address);
        if (address.value >> geometry.input_bits != 0) return answer(address, Entry{0}, root_level);
        return walk_down<answer, root_level>(entries_at(root) + (address.value >> F::span_log2(root_level)), address);
    }
    template <auto answer, unsigned level>
    [[gnu::always_inline]] auto walk_down(const Entry* place, Iova address) const {
        const Entry entry = read(place);
        if constexpr (level > 0)
            if (!F::is_empty(entry) && !F::is_leaf(entry, level)) {
                Entry* const below = entries_at(F::link_target(entry));
                if constexpr (level == 1) note_use(below, address);
                if constexpr (level == 2) note_middle(below, address);
                return walk_down<answer, level - 1>(below + index_at(level - 1, address), address);
            }
        return answer(address, entry, level);
    }
    static constexpr unsigned possible_levels = [] {
        unsigned levels = 0;
        while (levels < most_levels && F::span_log2(levels) < 64) ++levels;
        return levels;
    }();

    // Whether the leaf table used last translates this address: runs of small requests, and of neighbouring addresses,
    // begin there and not at the root. It is forgotten as soon as any table is retired.
    static constexpr unsigned leaf_reach = F::span_log2(0) + F::index_bits(0);
    bool near(Iova address) const { return address.value >> leaf_reach == last_used_for; }
    // The tables above leaf tables likewise, for walks, in the place that their addresses say.
    static constexpr unsigned middle_reach = F::span_log2(1) + F::index_bits(1);
    static constexpr std::size_t middles = 64;
    void note_middle(Entry* table, Iova address) const {
        const std::uint64_t region = address.value >> middle_reach;
        middle_tables[region % middles] = table;
        middles_for[region % middles] = region;
    }
    void note_use(Entry* leaf_table, Iova address) const {
        last_used = leaf_table;
        last_used_for = address.value >> leaf_reach;
    }
    // Looked for when it is asked: translations never do, and it lies in memory of its own.
    Tally& tally_nearby() const {
        if (!has_tally_nearby()) {
            nearby_tally = &arena.tally(last_used);
            nearby_tally_of = last_used;
        }
        return *nearby_tally;
    }
    bool has_tally_nearby() const { return nearby_tally_of == last_used; }  // a frame's tally stays in its place
    void forget_use() const {
        last_used_for = nowhere;
        middles_for.fill(nowhere);
    }

    // Calls visit(slot range, entry, table, index) for every slot of `table` that holds something and lies in
    // `range`, in part at least, ascending; stops early when it says false.
    template <class Visit>
    bool each_in_use(const Table& table, IovaRange range, Visit visit) const {
        const std::uint64_t first = index_in(table, std::max(range.first, table.base));
        const std::uint64_t last = index_in(table, std::min(range.last, last_of(table)));
        for (std::uint64_t index = first; index <= last; ++index) {
            const Entry entry = load(table, index);
            if (!F::is_empty(entry) && !visit(slot_range(table, index), entry, index)) return false;
        }
        return true;
    }

    void remove(const Table& table, IovaRange range, memory::Gather& gathered);
    void remove_leaves(const Table& table, IovaRange range, memory::Gather& gathered);
    void retire(PhysAddr address, std::uint64_t count, memory::Gather& gathered);
    void retire_subtree(PhysAddr address, unsigned level, memory::Gather& gathered);
    std::uint64_t tables_in_row(const Table& table, std::uint64_t index, std::uint64_t most) const;
    PhysAddr united_pages(const Map& map) const;
    bool is_sound(const Map& map) const;
    Result<void> check(const Map& map) const;
    bool is_page_nearby(IovaRange range) const;
    bool are_pages_nearby(IovaRange range) const;
    template <class AreLeaves>
    Place find_row(IovaRange range, AreLeaves are_leaves) const;
    bool map_row_in_place(const Map& map);
    bool map_slots_in_place(const Map& map);
    bool unmap_row_in_place(IovaRange range);
    bool unmap_slots_in_place(IovaRange range);
    Progress add(Plan::Parts& parts, Budget& budget);
    bool anything_in(const Table& table, IovaRange range) const;
    template <class Visit>
    void mapped_in(const Table& table, IovaRange range, Visit& visit) const;

    Geometry geometry;
    memory::Arena& arena;
    memory::Account& account;
    PhysAddr root{};
    std::vector<memory::Frame> reserve;
    unsigned reserved_depth = 0;  // of the deepest cut that leaves may need
    std::uint64_t tables = 0;  // frames of tables that are linked, the root's included
    bool planned = false;      // a plan is out
    static constexpr std::uint64_t nowhere = ~std::uint64_t{0};
    mutable Entry* last_used = nullptr;  // a leaf table, and the addresses it translates, by their upper bits
    mutable Tally* nearby_tally = nullptr;
    mutable Entry* nearby_tally_of = nullptr;
    mutable std::uint64_t last_used_for = nowhere;
    mutable std::array<std::uint64_t, middles> middles_for;
    mutable std::array<Entry*, middles> middle_tables;
};

}  // namespace smmu::paging

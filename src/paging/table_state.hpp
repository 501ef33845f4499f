// SPDX-License-Identifier: Apache-2.0
// The state of one PageTable, its arithmetic, and the only door to entries that hardware may be walking.
// Included by the one .cpp of each format, through page_table_engine.hpp.
#pragma once

#include <algorithm>
#include <atomic>
#include <bit>

#include "memory/coherency.hpp"
#include "paging/page_table.hpp"

namespace smmu::paging {

template <Format F>
struct PageTable<F>::State {
    using Entry = typename F::Entry;
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
    static constexpr std::uint64_t table_bytes = memory::frame_bytes << table_order;

    // A table as the engine walks it.
    struct Table {
        Entry* entries;
        PhysAddr address;
        unsigned level;
        Iova base;  // the first device address it translates
    };

    State(Geometry table_geometry, memory::Arena& table_arena, memory::Account& table_account)
        : geometry(table_geometry), arena(table_arena), account(table_account) {}

    static bool sound(const Geometry& g) {
        if (g.levels == 0 || g.levels > most_levels || g.leaf_sizes == 0 || g.input_bits > 63) return false;
        const unsigned top = g.levels - 1;
        if (g.input_bits <= F::span_log2(0)) return false;
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
    // Bit n set: leaves at level n suit memory that lies so far from its device addresses.
    std::uint64_t leaf_levels(Iova iova, PhysAddr physical) const {
        std::uint64_t levels = 0;
        for (unsigned level = 0; level < geometry.levels; ++level)
            if (leaf_allowed(level) && ((iova.value - physical.value) & (span(level) - 1)) == 0)
                levels |= std::uint64_t{1} << level;
        return levels;
    }
    std::uint64_t index_in(const Table& table, Iova address) const {
        return (address - table.base) >> F::span_log2(table.level);
    }
    IovaRange slot_range(const Table& table, std::uint64_t index) const {
        const Iova first = table.base + (index << F::span_log2(table.level));
        return {first, first + (span(table.level) - 1)};
    }
    Iova last_of(const Table& table) const { return slot_range(table, slots(table.level) - 1).last; }

    // Frames needed on one path from the root, twice: a removal cuts at most two leaves, one at each end.
    std::size_t reserve_target() const { return 2 * std::size_t{top()}; }

    // Never a pointer outside the arena, whatever an entry says.
    Table table_at(PhysAddr address, unsigned level, Iova base) const {
        std::uint64_t* const words = arena.words_at(address);
        SMMU_ASSERT(words != nullptr);
        return {reinterpret_cast<Entry*>(words), address, level, base};
    }
    Table root_table() const { return table_at(root, top(), Iova{0}); }
    Table child(const Table& table, std::uint64_t index, Entry link) const {
        return table_at(F::link_target(link), table.level - 1, slot_range(table, index).first);
    }

    Entry load(const Table& table, std::uint64_t index) const {
        SMMU_ASSERT(index < slots(table.level));
        return std::atomic_ref<Entry>(table.entries[index]).load(std::memory_order_relaxed);
    }

    // The one door. From empty to something or from something to empty: there is no third way through. What a link
    // leads to was written back before (the caller fenced); the entry itself is before the next fence.
    void store(const Table& table, std::uint64_t index, Entry entry) {
        SMMU_ASSERT(F::is_empty(load(table, index)) != F::is_empty(entry));
        std::atomic_ref<Entry>(table.entries[index]).store(entry, std::memory_order_release);
        arena.tally(table.address) += F::is_empty(entry) ? ~std::uint32_t{0} : 1u;
        memory::write_back(geometry.coherency, &table.entries[index], sizeof(Entry));
    }

    // For tables below the root: whoever builds one writes every word.
    Result<std::vector<memory::Frame>> take_frames(std::uint64_t count) {
        return arena.take_many(account, count, memory::Arena::Contents::unwritten, table_order);
    }

    void refill_reserve() {
        if (reserve.size() >= reserve_target()) return;
        const std::uint64_t wanted =
            std::min<std::uint64_t>(reserve_target() - reserve.size(), arena.available(account, table_order));
        auto frames = take_frames(wanted);
        SMMU_ASSERT(frames.has_value());
        for (memory::Frame& frame : *frames) reserve.push_back(std::move(frame));
    }

    // Gives back frames that were taken and not linked: to the reserve first.
    void give_back(std::vector<memory::Frame>& frames) {
        for (memory::Frame& frame : frames) {
            if (reserve.size() < reserve_target())
                reserve.push_back(std::move(frame));
            else
                arena.discard(std::move(frame));
        }
        frames.clear();
        refill_reserve();
    }

    struct Leaf {
        IovaRange range;
        unsigned level;
        Entry entry;
    };
    std::optional<Leaf> leaf_at(Iova address) const {
        if (address.value >> geometry.input_bits != 0) return std::nullopt;
        Table table = root_table();
        for (;;) {
            const std::uint64_t index = index_in(table, address);
            const Entry entry = load(table, index);
            if (F::is_empty(entry)) return std::nullopt;
            if (F::is_leaf(entry, table.level)) return Leaf{slot_range(table, index), table.level, entry};
            table = child(table, index, entry);
        }
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
    void retire(PhysAddr address, unsigned level, memory::Gather& gathered);
    bool anything_in(const Table& table, IovaRange range) const;
    template <class Visit>
    void mapped_in(const Table& table, IovaRange range, Visit& visit) const;

    Geometry geometry;
    memory::Arena& arena;
    memory::Account& account;
    PhysAddr root{};
    std::vector<memory::Frame> reserve;  // so that a removal that cuts a leaf never lacks frames
    std::uint64_t tables = 0;            // linked, the root's frames included
    bool planned = false;                // a plan is out
};

}  // namespace smmu::paging

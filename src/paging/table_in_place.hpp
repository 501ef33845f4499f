// SPDX-License-Identifier: Apache-2.0
// PageTable::map_in_place and unmap_in_place: most small requests are nothing but leaves of one table that is there and
// stays. They take no plan, no frame and no step; everything else, and every error, is a Preparation's. Pages of the leaf table
// used last are what drivers ask for most: those go from the request to the entries in registers.
#pragma once

#include "paging/table_state.hpp"

namespace smmu::paging {

// Whether the range is whole pages of the leaf table used last, and no plan is out; and whether it is one such page, and the
// table's tally is at hand.
template <Format F>
[[gnu::always_inline]] inline bool PageTable<F>::State::are_pages_nearby(IovaRange range) const {
    const std::uint64_t ends = range.first.value | (range.last.value + 1);
    return near(range.first) && near(range.last) && (ends & (span(0) - 1)) == 0 && range.first < range.last && !planned;
}
template <Format F>
[[gnu::always_inline]] inline bool PageTable<F>::State::is_page_nearby(IovaRange range) const {
    const bool page = range.last - range.first == span(0) - 1 && (range.first.value & (span(0) - 1)) == 0;
    return near(range.first) && page && !planned && has_tally_nearby();
}

// A range that is whole slots of one table, from the root down the first at which `are_leaves(level, first slot)`; none where
// there is no such table.
template <Format F>
template <class AreLeaves>
[[gnu::always_inline]] inline auto PageTable<F>::State::find_row(IovaRange range, AreLeaves are_leaves) const -> Place {
    SMMU_ASSERT(range.first <= range.last);
    if (planned || range.last.value >> geometry.input_bits != 0) return {};
    const std::uint64_t ends = range.first.value | (range.last.value + 1);
    const auto slot = [this](Iova address, unsigned level) {
        return level == top() ? address.value >> F::span_log2(level) : index_at(level, address);
    };
    Entry* entries = entries_at(root);
    for (unsigned level = top();; --level) {
        const std::uint64_t first = slot(range.first, level), last = slot(range.last, level);
        const Entry entry = read(entries + first);
        const bool whole = (ends & (span(level) - 1)) == 0;
        if (whole && are_leaves(level, entry)) return {entries + first, last - first + 1, level, &arena.tally(entries)};
        if (first != last || level == 0 || F::is_empty(entry) || F::is_leaf(entry, level)) return {};
        entries = entries_at(F::link_target(entry));
        if (level == 1) note_use(entries, range.first);
    }
}

// A page: from the request to the entry.
template <Format F>
bool PageTable<F>::map_in_place(const Map& map) noexcept {
    State& state = *state_;
    if (map.pages != nullptr || !state.is_page_nearby(map.range)) return state.map_row_in_place(map);
    auto& entry = state.last_used[State::index_in_leaf_table(map.range.first)];
    const auto leaf = F::make_leaf(map.physical, map.access, 0);
    if (!State::says(leaf, map.physical, map.access) || !F::is_empty(State::read(&entry))) return false;
    ++state.nearby_tally->live;
    State::write(entry, leaf);
    memory::publish(state.geometry.coherency, &entry, sizeof(entry));
    return true;
}

template <Format F>
bool PageTable<F>::State::map_row_in_place(const Map& map) {
    if (map.pages != nullptr || !are_pages_nearby(map.range)) return map_slots_in_place(map);
    Entry* const entries = last_used + index_in_leaf_table(map.range.first);
    const std::uint64_t count = pages_in(map.range);
    const PhysAddr last = map.physical + ((count - 1) << F::span_log2(0));
    const Entry leaf = F::make_leaf(map.physical, map.access, 0);
    const bool sound = says(leaf, map.physical, map.access) && last >= map.physical &&
                       says(F::make_leaf(last, map.access, 0), last, map.access);
    if (!sound || any_live(entries, count)) return false;
    tally_nearby().live += static_cast<std::uint32_t>(count);
    write_row(entries, count, leaf, leaf_step(0));
    memory::fence(geometry.coherency);
    return true;
}

template <Format F>
bool PageTable<F>::State::map_slots_in_place(const Map& map) {
    const Place place = find_row(map.range, [&](unsigned level, Entry) { return leaves_suit(map, level); });
    // Leaves that can be cut need a reserve.
    if (place.count == 0 || place.level > lowest() + reserved_depth) return false;
    if (!is_sound(map) || any_live(place.entries, place.count)) return false;
    store_leaves(row_of_leaves(place, map, map.range.first));
    memory::fence(geometry.coherency);
    return true;
}

template <Format F>
bool PageTable<F>::unmap_in_place(IovaRange range) noexcept {
    State& state = *state_;
    if (!state.is_page_nearby(range)) return state.unmap_row_in_place(range);
    auto& entry = state.last_used[State::index_in_leaf_table(range.first)];
    if (F::is_empty(State::read(&entry)) || state.nearby_tally->live == 1) return false;
    --state.nearby_tally->live;
    State::write(entry, 0);
    memory::publish(state.geometry.coherency, &entry, sizeof(entry));
    return true;
}

template <Format F>
bool PageTable<F>::State::unmap_row_in_place(IovaRange range) {
    if (!are_pages_nearby(range)) return unmap_slots_in_place(range);
    Entry* const entries = last_used + index_in_leaf_table(range.first);
    const std::uint64_t count = pages_in(range);
    if (tally_nearby().live <= count || !all_live(entries, count)) return false;
    tally_nearby().live -= static_cast<std::uint32_t>(count);
    write_row(entries, count, 0, 0);
    memory::fence(geometry.coherency);
    return true;
}

template <Format F>
bool PageTable<F>::State::unmap_slots_in_place(IovaRange range) {
    const Place place = find_row(range, [](unsigned level, Entry entry) { return F::is_leaf(entry, level); });
    const bool stays = place.count > 0 && place.tally->live > place.count;
    if (!stays || !all_leaves(place)) return false;
    clear_leaves(place);
    memory::fence(geometry.coherency);
    return true;
}

}  // namespace smmu::paging

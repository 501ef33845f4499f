// SPDX-License-Identifier: Apache-2.0
// PageTable::remove, add, release: what changes entries. New tables are filled as a whole where hardware cannot see
// them, and appear by one store; a table whose span is removed disappears by one.
#pragma once

#include <algorithm>
#include <bit>

#include "paging/table_state.hpp"

namespace smmu::paging {

template <Format F>
void PageTable<F>::State::remove(const Table& table, IovaRange range, memory::Gather& gathered) {
    if (table.level == 0) return remove_leaves(table, range, gathered);
    each_in_use(table, range, [&](IovaRange slot, Entry entry, std::uint64_t index) {
        const bool whole = range.contains(slot);
        if (F::is_leaf(entry, table.level)) {
            SMMU_ASSERT(whole);
        } else if (!whole) {
            const Table below = child(table, index, entry);
            remove(below, *slot.intersection(range), gathered);
            if (arena.tally(below.entries).live != 0) return true;
        }
        store(table, index, Entry{0});
        if (whole) gathered.cover(slot);
        if (!F::is_leaf(entry, table.level)) retire_subtree(F::link_target(entry), table.level - 1, gathered);
        return true;
    });
}

// In a leaf table: a row that is all live goes as one.
template <Format F>
void PageTable<F>::State::remove_leaves(const Table& table, IovaRange range, memory::Gather& gathered) {
    const std::uint64_t first = index_in(table, std::max(range.first, table.base));
    const std::uint64_t count = index_in(table, std::min(range.last, last_of(table))) - first + 1;
    if (all_live(table.entries + first, count)) {
        clear_leaves(place(table, first, count));
        gathered.cover({slot_range(table, first).first, slot_range(table, first + count - 1).last});
        return;
    }
    each_in_use(table, range, [&](IovaRange slot, Entry, std::uint64_t index) {
        store(table, index, Entry{0});
        gathered.cover(slot);
        return true;
    });
}

// Hands over tables in a row that no entry leads to any more. Hardware may still be in them: they are only read.
template <Format F>
void PageTable<F>::State::retire(PhysAddr address, std::uint64_t count, memory::Gather& gathered) {
    forget_use();
    tables -= count * table_frames;
    gathered.retire(arena.take_back(address, count * table_frames, account));
}

// The same of a table and all below it. Leaf tables are not looked into, nor any that leads to leaves only; neighbours in
// memory go as one.
template <Format F>
void PageTable<F>::State::retire_subtree(PhysAddr address, unsigned level, memory::Gather& gathered) {
    const Table table = table_at(address, level, Iova{0});
    std::uint64_t links = arena.tally(table.entries).links;
    retire(address, 1, gathered);
    for (std::uint64_t index = 0; links > 0; ++index) {
        const Entry entry = load(table, index);
        if (F::is_empty(entry) || F::is_leaf(entry, level)) continue;
        if (level > 1) {
            retire_subtree(F::link_target(entry), level - 1, gathered);
            --links;
        } else {
            const std::uint64_t count = tables_in_row(table, index, links);
            retire(F::link_target(entry), count, gathered);
            links -= count;
            index += count - 1;
        }
    }
}

// How many links from `index` on lead to tables that lie one behind the other: at most `most`, the links left. All of them
// where a region was mapped at once.
template <Format F>
std::uint64_t PageTable<F>::State::tables_in_row(const Table& table, std::uint64_t index, std::uint64_t most) const {
    const Entry first = load(table, index);
    const bool all_left = most == slots(table.level) - index;
    if (index == 0 && all_left && memory::rows::is_sequence(table.entries, most, first, link_step)) return most;
    std::uint64_t count = 1;
    while (count < most && load(table, index + count) == static_cast<Entry>(first + count * link_step)) ++count;
    return count;
}

// One addition being carried out, from where the last step left it.
template <Format F>
class PageTable<F>::Filling {
public:
    using Table = typename State::Table;
    using Entry = typename State::Entry;

    Filling(State& state, const Map& map, std::uint64_t done, std::vector<memory::Frame>& frames,
            Budget& budget)
        : state_(state), map_(map), next_(map.range.first + done), frames_(frames), budget_(budget),
          leaf_levels_(state.leaf_levels(map)), way_(way_of(state, map)) {}

    // Goes on until the budget is spent (after a table at least) or nothing is left; returns the bytes done since the
    // start of the addition, 0 meaning all of it.
    std::uint64_t run() {
        extend(state_.root_table());
        return finished_ ? 0 : next_ - map_.range.first;
    }
    bool finished() const { return finished_; }

private:
    using Way = memory::rows::Way;
    struct Leaves {
        std::uint64_t index, count;
    };

    // What does not fit into the processor's caches is not sent through them, and what a walker must find in memory
    // neither: it would only have to be written back.
    static Way way_of(const State& state, const Map& map) {
        constexpr std::uint64_t cached_at_most = 4 << 20;  // bytes of entries
        const unsigned level = static_cast<unsigned>(std::bit_width(state.leaf_levels(map))) - 1;
        const std::uint64_t entries = (map.range.last - map.range.first) >> F::span_log2(level);
        const bool large = entries > cached_at_most / sizeof(Entry);
        if (sizeof(Entry) != sizeof(std::uint64_t) || !memory::can_stream()) return Way::cached;
        return large || state.geometry.coherency == memory::Coherency::not_snooped ? Way::streamed : Way::cached;
    }

    bool stop(const Table& table) const {
        return finished_ || budget_.tables == 0 || next_ > state_.last_of(table);
    }
    void spend() { budget_.tables -= std::min<std::uint64_t>(budget_.tables, 1); }

    void advance(std::uint64_t bytes) {
        finished_ = map_.range.last - next_ == bytes - 1;
        if (!finished_) next_ = next_ + bytes;
    }

    // How many leaves can be stored in a row from next_ on; none where the rest needs a table below.
    Leaves leaves(const Table& table) const {
        const std::uint64_t index = state_.index_in(table, next_);
        const std::uint64_t span = State::span(table.level);
        const bool fits = (leaf_levels_ >> table.level & 1) != 0 && (next_.value & (span - 1)) == 0;
        if (!fits) return {index, 0};
        const std::uint64_t left = map_.range.last - next_;  // bytes, less one
        const std::uint64_t whole = left / span + ((left & (span - 1)) == span - 1 ? 1 : 0);
        return {index, std::min(whole, state_.slots(table.level) - index)};
    }

    // Adds to a table that hardware may be walking: entry by entry, each where there was none.
    void extend(const Table& table) {
        do {
            const auto [index, count] = leaves(table);
            if (count > 0) {
                state_.store_leaves(state_.row_of_leaves(state_.place(table, index, count), map_, next_));
                advance(count << F::span_log2(table.level));
                spend();
                continue;
            }
            const Entry entry = state_.load(table, index);
            if (F::is_empty(entry)) {
                const PhysAddr below = build(table.level - 1, state_.slot_range(table, index).first);
                // Every word of it is there before the link.
                if (way_ == Way::streamed) memory::fence_cleaned();
                memory::fence(state_.geometry.coherency);
                state_.store(table, index, F::make_link(below));
            } else {
                SMMU_ASSERT(!F::is_leaf(entry, table.level));
                extend(state_.child(table, index, entry));
            }
        } while (!stop(table));
    }

    // Makes a table, with all that is to be below it, that nothing leads to yet. Every slot is written, none twice.
    PhysAddr build(unsigned level, Iova base) {
        memory::Frame frame = State::take_table(frames_);
        state_.tables += State::table_frames;
        const Table table{reinterpret_cast<Entry*>(frame.words()), level, base};
        const std::uint64_t first = state_.index_in(table, next_);
        std::uint64_t end = first;
        std::uint32_t links = 0;
        fill_empty(table, 0, first);
        do {
            const auto [index, count] = leaves(table);
            if (count > 0) {
                fill(state_.row_of_leaves({table.entries + index, count, level, nullptr}, map_, next_));
                end = index + count;
                advance(count << F::span_log2(level));
            } else {
                table.entries[index] = F::make_link(build(level - 1, state_.slot_range(table, index).first));
                end = index + 1;
                ++links;
            }
        } while (!stop(table));
        fill_empty(table, end, State::table_bytes / sizeof(Entry));
        write_back(table, first, end, links);
        spend();
        const PhysAddr address = state_.arena.keep(std::move(frame));
        state_.arena.tally(table.entries) = {.live = static_cast<std::uint32_t>(end - first), .links = links};
        return address;
    }

    void fill(const typename State::Row& row) const {
        if (row.pages != nullptr)
            State::write_list(row);
        else
            memory::rows::fill(row.entries, row.count, row.first(), State::leaf_step(row.level), way_);
    }
    void fill_empty(const Table& table, std::uint64_t begin, std::uint64_t end) const {
        memory::rows::fill(table.entries + begin, end - begin, Entry{0}, Entry{0}, way_);
    }

    // Of a streamed leaf table only what does not fill a cache line went through the caches: where its row begins and ends.
    void write_back(const Table& table, std::uint64_t first, std::uint64_t end, std::uint32_t links) const {
        const memory::Coherency coherency = state_.geometry.coherency;
        if (way_ == Way::cached || links > 0 || map_.pages != nullptr)
            return memory::write_back(coherency, table.entries, State::table_bytes);
        for (const std::uint64_t border : {first, end})
            if (border % memory::stream_words != 0) memory::write_back(coherency, table.entries + border, sizeof(Entry));
    }

    State& state_;
    const Map map_;
    Iova next_;
    std::vector<memory::Frame>& frames_;
    Budget& budget_;
    std::uint64_t leaf_levels_;
    Way way_;
    bool finished_ = false;
};

template <Format F>
void PageTable<F>::remove(Plan& plan, memory::Gather& gathered) noexcept {
    SMMU_ASSERT(state_->planned && plan.stage == Plan::Stage::removing);
    plan.stage = Plan::Stage::adding;
    const auto root = state_->root_table();
    for (const Unmap& removal : plan.removals()) state_->remove(root, removal.range, gathered);
    memory::fence(state_->geometry.coherency);
}

template <Format F>
void PageTable<F>::regain(Plan& plan) noexcept {
    const auto taken = state_->take_frames(std::exchange(plan.parts().returning, 0), plan.parts().frames);
    SMMU_ASSERT(taken.has_value());  // the removals gave as many back
}

template <Format F>
Progress PageTable<F>::add(Plan& plan, Budget& budget) noexcept {
    SMMU_ASSERT(state_->planned && plan.stage != Plan::Stage::done && (plan.stage == Plan::Stage::adding || plan.removals().empty()));
    plan.stage = Plan::Stage::adding;
    const Progress progress = state_->add(plan.parts(), budget);
    memory::fence(state_->geometry.coherency);
    if (progress == Progress::done) plan.stage = Plan::Stage::done;
    return progress;
}

template <Format F>
Progress PageTable<F>::State::add(Plan::Parts& parts, Budget& budget) {
    while (parts.next_addition < parts.additions.size()) {
        if (budget.tables == 0) return Progress::more;
        Filling filling(*this, parts.additions[parts.next_addition], parts.added_bytes, parts.frames, budget);
        parts.added_bytes = filling.run();
        if (filling.finished()) ++parts.next_addition;
    }
    settle(parts.frames);
    return Progress::done;
}

template <Format F>
void PageTable<F>::release(memory::Gather& gathered) noexcept {
    const auto root = state_->root_table();
    const IovaRange all{root.base, state_->last_of(root)};
    state_->remove(root, all, gathered);
    memory::fence(state_->geometry.coherency);
    state_->forget_use();
    gathered.retire(state_->arena.take_back(state_->root, std::uint64_t{1} << state_->root_order(), state_->account));
    gathered.cover_everything();
    state_->lower_reserve(0);
    state_.reset();
}

}  // namespace smmu::paging

// SPDX-License-Identifier: Apache-2.0
// PageTable::remove, add, release: what changes entries. New tables are filled as a whole where hardware cannot see
// them, and appear by one store; a table whose span is removed disappears by one.
#pragma once

#include <algorithm>
#include <cstring>

#include "paging/table_state.hpp"

namespace smmu::paging {

template <Format F>
void PageTable<F>::State::remove(const Table& table, IovaRange range, memory::Gather& gathered) {
    each_in_use(table, range, [&](IovaRange slot, Entry entry, std::uint64_t index) {
        const bool whole = range.contains(slot);
        if (F::is_leaf(entry, table.level)) {
            SMMU_ASSERT(whole);
        } else if (!whole) {
            const Table below = child(table, index, entry);
            remove(below, *slot.intersection(range), gathered);
            if (arena.tally(below.address) != 0) return true;
        }
        store(table, index, Entry{0});
        if (whole) gathered.cover(slot);
        if (!F::is_leaf(entry, table.level)) retire(F::link_target(entry), table.level - 1, gathered);
        return true;
    });
}

// Hands over a table that no entry leads to any more, and all below it. Hardware may still be in it: it is read only.
template <Format F>
void PageTable<F>::State::retire(PhysAddr address, unsigned level, memory::Gather& gathered) {
    if (level > 0 && arena.tally(address) > 0) {
        const Table table = table_at(address, level, Iova{0});
        const std::uint64_t count = slots(level);
        for (std::uint64_t index = 0; index < count; ++index) {
            const Entry entry = load(table, index);
            if (!F::is_empty(entry) && !F::is_leaf(entry, level))
                retire(F::link_target(entry), level - 1, gathered);
        }
    }
    memory::Frame frame = arena.take_back(address);
    tables -= std::uint64_t{1} << frame.order();
    gathered.retire(std::move(frame));
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
          leaf_levels_(state.leaf_levels(map.range.first, map.physical)) {}

    // Goes on until the budget is spent (after a table at least) or nothing is left; returns the bytes done since the
    // start of the addition, 0 meaning all of it.
    std::uint64_t run() {
        extend(state_.root_table());
        return finished_ ? 0 : next_ - map_.range.first;
    }
    bool finished() const { return finished_; }

private:
    struct Leaves {
        std::uint64_t index, count;
    };

    bool stop(const Table& table) const {
        return finished_ || budget_.tables == 0 || next_ > state_.last_of(table);
    }
    void spend() { budget_.tables -= std::min<std::uint64_t>(budget_.tables, 1); }
    PhysAddr target() const { return map_.physical + (next_ - map_.range.first); }

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
                PhysAddr physical = target();
                for (std::uint64_t i = 0; i < count; ++i) {
                    state_.store(table, index + i, F::make_leaf(physical, map_.access, table.level));
                    physical = physical + State::span(table.level);
                }
                advance(count << F::span_log2(table.level));
                spend();
                continue;
            }
            const Entry entry = state_.load(table, index);
            if (F::is_empty(entry)) {
                const PhysAddr below =
                    build(table.level - 1, state_.slot_range(table, index).first);
                memory::fence(state_.geometry.coherency);  // every word of it is there before the link
                state_.store(table, index, F::make_link(below));
            } else {
                SMMU_ASSERT(!F::is_leaf(entry, table.level));
                extend(state_.child(table, index, entry));
            }
        } while (!stop(table));
    }

    // Makes a table, with all that is to be below it, that nothing leads to yet. Every slot is written, none twice.
    PhysAddr build(unsigned level, Iova base) {
        SMMU_ASSERT(!frames_.empty());
        memory::Frame frame = std::move(frames_.back());
        frames_.pop_back();
        state_.tables += std::uint64_t{1} << State::table_order;
        const Table table{reinterpret_cast<Entry*>(frame.words()), frame.address(), level, base};
        const std::uint64_t first = state_.index_in(table, next_);
        std::uint64_t end = first;
        std::memset(table.entries, 0, first * sizeof(Entry));
        do {
            const auto [index, count] = leaves(table);
            if (count > 0) {
                fill(table.entries + index, count, level);
                end = index + count;
                advance(count << F::span_log2(level));
            } else {
                table.entries[index] = F::make_link(build(level - 1, state_.slot_range(table, index).first));
                end = index + 1;
            }
        } while (!stop(table));
        std::memset(table.entries + end, 0, State::table_bytes - end * sizeof(Entry));
        memory::write_back(state_.geometry.coherency, table.entries, State::table_bytes);
        spend();
        const PhysAddr address = state_.arena.keep(std::move(frame));
        state_.arena.tally(address) = static_cast<std::uint32_t>(end - first);
        return address;
    }

    void fill(Entry* entries, std::uint64_t count, unsigned level) const {
        PhysAddr physical = target();
        for (std::uint64_t i = 0; i < count; ++i) {
            entries[i] = F::make_leaf(physical, map_.access, level);
            physical = physical + State::span(level);
        }
    }

    State& state_;
    const Map map_;
    Iova next_;
    std::vector<memory::Frame>& frames_;
    Budget& budget_;
    std::uint64_t leaf_levels_;
    bool finished_ = false;
};

template <Format F>
void PageTable<F>::remove(Plan& plan, memory::Gather& gathered) noexcept {
    SMMU_ASSERT(state_->planned && plan.stage == Plan::Stage::removing);
    const auto root = state_->root_table();
    for (const Unmap& removal : plan.removals) state_->remove(root, removal.range, gathered);
    memory::fence(state_->geometry.coherency);
    plan.stage = Plan::Stage::adding;
}

template <Format F>
Progress PageTable<F>::add(Plan& plan, Budget& budget) noexcept {
    SMMU_ASSERT(state_->planned && plan.stage == Plan::Stage::adding);
    while (plan.next_addition < plan.additions.size()) {
        if (budget.tables == 0) {
            memory::fence(state_->geometry.coherency);
            return Progress::more;
        }
        Filling filling(*state_, plan.additions[plan.next_addition], plan.added_bytes, plan.frames, budget);
        plan.added_bytes = filling.run();
        if (filling.finished()) ++plan.next_addition;
    }
    memory::fence(state_->geometry.coherency);
    plan.stage = Plan::Stage::done;
    state_->planned = false;
    state_->give_back(plan.frames);
    return Progress::done;
}

template <Format F>
void PageTable<F>::release(memory::Gather& gathered) noexcept {
    const auto root = state_->root_table();
    const IovaRange all{root.base, state_->last_of(root)};
    state_->remove(root, all, gathered);
    memory::fence(state_->geometry.coherency);
    state_->retire(state_->root, state_->top(), gathered);
    gathered.cover_everything();
    for (memory::Frame& frame : state_->reserve) state_->arena.discard(std::move(frame));
    state_.reset();
}

}  // namespace smmu::paging

// SPDX-License-Identifier: Apache-2.0
// PageTable::prepare: from a request to a plan that can only fail for hardware. Changes nothing but takes frames.
#pragma once

#include <algorithm>

#include "paging/request_errors.hpp"
#include "paging/table_count.hpp"
#include "paging/table_state.hpp"

namespace smmu::paging {

// A request, sorted: what to unmap (disjoint, neighbours joined), what to map (disjoint).
struct SortedRequest {
    std::vector<IovaRange> unmaps;
    std::vector<Map> maps;

    static void join(std::vector<IovaRange>& ranges) {
        std::sort(ranges.begin(), ranges.end());
        std::size_t joined = 0;
        for (const IovaRange& range : ranges) {
            if (joined > 0 && (range.first <= ranges[joined - 1].last ||
                               range.first - ranges[joined - 1].last == 1))
                ranges[joined - 1].last = std::max(ranges[joined - 1].last, range.last);
            else
                ranges[joined++] = range;
        }
        ranges.resize(joined);
    }

    // The first of `ranges` (disjoint, ascending) that does not end below `address`.
    static auto from(const std::vector<IovaRange>& ranges, Iova address) {
        return std::lower_bound(ranges.begin(), ranges.end(), address,
                                [](const IovaRange& range, Iova a) { return range.last < a; });
    }

    // Calls visit(piece) for what of `range` is in none of `ranges`; stops early when it says false.
    template <class Visit>
    static bool each_outside(const std::vector<IovaRange>& ranges, IovaRange range, Visit visit) {
        Iova next = range.first;
        for (auto it = from(ranges, range.first); it != ranges.end() && it->first <= range.last; ++it) {
            if (next < it->first && !visit(IovaRange{next, it->first - 1})) return false;
            if (it->last >= range.last) return true;
            next = it->last + 1;
        }
        return visit(IovaRange{next, range.last});
    }
};

template <Format F>
bool PageTable<F>::State::anything_in(const Table& table, IovaRange range) const {
    return !each_in_use(table, range, [&](IovaRange slot, Entry entry, std::uint64_t index) {
        // No empty table stays linked: one that lies in the range as a whole has a leaf in it.
        if (F::is_leaf(entry, table.level) || range.contains(slot)) return false;
        return !anything_in(child(table, index, entry), range);
    });
}

// Calls visit(piece) for what is mapped in `range`, ascending; neighbours are not always joined.
template <Format F>
template <class Visit>
void PageTable<F>::State::mapped_in(const Table& table, IovaRange range, Visit& visit) const {
    each_in_use(table, range, [&](IovaRange slot, Entry entry, std::uint64_t index) {
        const IovaRange piece = *slot.intersection(range);
        const bool leaf = F::is_leaf(entry, table.level);
        // A leaf table in which every slot is live is one piece.
        if (leaf || (table.level == 1 && arena.tally(F::link_target(entry)) == slots(0)))
            visit(piece);
        else
            mapped_in(child(table, index, entry), piece, visit);
        return true;
    });
}

// One preparation: its steps share what they found.
template <Format F>
class PageTable<F>::Preparation {
public:
    using Table = typename State::Table;

    explicit Preparation(State& state) : state_(state) {}

    Result<Plan> run(std::span<const Change> changes) {
        SMMU_CHECK(sort(changes));
        SMMU_CHECK(check_overlaps());
        find_cut_leaves();
        plan_.additions = request_.maps;
        const bool only_unmaps = request_.maps.empty();
        Result<void> taken = only_unmaps ? take_for_remainders() : take_for_all();
        if (!taken) return pass_on(std::move(taken));
        for (const IovaRange& range : removals_) plan_.removals.push_back({range});
        find_disturbed();
        return std::move(plan_);
    }

private:
    static IovaRange range_of(const Change& change) {
        return std::visit([](const auto& any) { return any.range; }, change);
    }

    Result<void> sort(std::span<const Change> changes) {
        const unsigned granule = state_.granule_log2();
        for (const Change& change : changes) {
            const IovaRange range = range_of(change);
            SMMU_ASSERT(range.first <= range.last);
            if (range.last.value >> state_.geometry.input_bits != 0)
                return refused::beyond_input(range, state_.geometry.input_bits);
            if (range.rounded_out(granule) != range) return refused::misaligned(range, granule);
            if (const Map* map = std::get_if<Map>(&change)) {
                SMMU_CHECK(check(*map, granule));
                request_.maps.push_back(*map);
            } else {
                request_.unmaps.push_back(range);
            }
        }
        SortedRequest::join(request_.unmaps);
        std::sort(request_.maps.begin(), request_.maps.end(),
                  [](const Map& a, const Map& b) { return a.range < b.range; });
        return {};
    }

    static Result<void> check(const Map& map, unsigned granule) {
        if (!is_aligned(map.physical, granule)) return refused::physical_misaligned(map, granule);
        const std::uint64_t distance = map.range.last - map.range.first;
        if (!F::expresses(map.access)) return refused::inexpressible(map);
        const PhysAddr last_page = align_down(map.physical + distance, granule);
        const bool wraps = ~std::uint64_t{0} - map.physical.value < distance;
        if (wraps || F::leaf_target(F::make_leaf(last_page, map.access, 0), 0) != last_page)
            return refused::beyond_output(map);
        return {};
    }

    Result<void> check_overlaps() const {
        const Table root = state_.root_table();
        for (std::size_t i = 0; i < request_.maps.size(); ++i) {
            const IovaRange range = request_.maps[i].range;
            if (i > 0 && request_.maps[i - 1].range.overlaps(range))
                return refused::maps_overlap(request_.maps[i - 1].range, range);
            const bool clear = SortedRequest::each_outside(
                request_.unmaps, range,
                [&](IovaRange outside) { return !state_.anything_in(root, outside); });
            if (!clear) return refused::already_mapped(range);
        }
        return {};
    }

    // Only the ends of an unmapped range can lie inside a leaf.
    void find_cut_leaves() {
        std::vector<typename State::Leaf> cut;
        for (const IovaRange& range : request_.unmaps) {
            for (const Iova end : {range.first, range.last}) {
                const auto leaf = state_.leaf_at(end);
                if (leaf && !range.contains(leaf->range) &&
                    (cut.empty() || cut.back().range != leaf->range))
                    cut.push_back(*leaf);
            }
        }
        removals_ = request_.unmaps;
        for (const auto& leaf : cut) {
            removals_.push_back(leaf.range);
            const PhysAddr physical = F::leaf_target(leaf.entry, leaf.level);
            const Access access = F::leaf_access(leaf.entry);
            SortedRequest::each_outside(request_.unmaps, leaf.range, [&](IovaRange rest) {
                remainders_.push_back({rest, physical + (rest.first - leaf.range.first), access});
                return true;
            });
        }
        SortedRequest::join(removals_);
    }

    TableCount new_count() const {
        TableCount::Shape shape{.levels = state_.geometry.levels};
        for (unsigned level = 0; level < state_.geometry.levels; ++level)
            shape.span_log2[level] = F::span_log2(level);
        return TableCount(shape);
    }

    std::uint64_t tables_for(TableCount& count, const Map& map) const {
        return count.add(map.range, state_.leaf_levels(map.range.first, map.physical),
                         [&](unsigned level, Iova address) { return stays(level, address); });
    }

    // Whether the table at `level` that translates `address` exists and keeps an entry through the removals: it has
    // more live ones than they touch.
    bool stays(unsigned level, Iova address) const {
        Table table = state_.root_table();
        while (table.level > level) {
            const std::uint64_t index = state_.index_in(table, address);
            const auto entry = state_.load(table, index);
            if (F::is_empty(entry) || F::is_leaf(entry, table.level)) return false;
            table = state_.child(table, index, entry);
        }
        const std::uint64_t live = state_.arena.tally(table.address);
        const IovaRange span{table.base, state_.last_of(table)};
        std::uint64_t touched = 0;
        for (auto it = SortedRequest::from(removals_, span.first);
             it != removals_.end() && it->first <= span.last && touched < live; ++it) {
            const IovaRange part = *it->intersection(span);
            touched += state_.index_in(table, part.last) - state_.index_in(table, part.first) + 1;
        }
        return live > touched;
    }

    // A request that maps gets every frame, or an error.
    Result<void> take_for_all() {
        plan_.additions.insert(plan_.additions.end(), remainders_.begin(), remainders_.end());
        sort_additions();
        TableCount count = new_count();
        std::uint64_t needed = 0;
        for (const Map& map : plan_.additions) needed += tables_for(count, map);
        SMMU_TRY(plan_.frames, state_.take_frames(needed));
        return {};
    }

    // A request that only unmaps is never refused: the reserve helps out, and what even that cannot rebuild closes.
    Result<void> take_for_remainders() {
        const std::uint64_t obtainable = state_.arena.available(state_.account, State::table_order);
        const std::uint64_t most = obtainable + state_.reserve.size();
        TableCount count = new_count();
        std::uint64_t needed = 0;
        for (const Map& map : remainders_) {
            TableCount with = count;
            const std::uint64_t more = tables_for(with, map);
            if (needed + more > most) {
                plan_.starved.push_back(map.range);
                continue;
            }
            count = with;
            needed += more;
            plan_.additions.push_back(map);
        }
        SMMU_TRY(plan_.frames, state_.take_frames(std::min(needed, obtainable)));
        while (plan_.frames.size() < needed) {
            plan_.frames.push_back(std::move(state_.reserve.back()));
            state_.reserve.pop_back();
        }
        return {};
    }

    void sort_additions() {
        std::sort(plan_.additions.begin(), plan_.additions.end(),
                  [](const Map& a, const Map& b) { return a.range < b.range; });
    }

    // What is mapped now, removed, and mapped again.
    void find_disturbed() {
        const Table root = state_.root_table();
        const auto note = [&](IovaRange piece) { plan_.disturbed.push_back(piece); };
        for (const Map& map : plan_.additions)
            for (auto it = SortedRequest::from(removals_, map.range.first);
                 it != removals_.end() && it->first <= map.range.last; ++it)
                state_.mapped_in(root, *it->intersection(map.range), note);
        SortedRequest::join(plan_.disturbed);
    }

    State& state_;
    SortedRequest request_;
    std::vector<IovaRange> removals_;  // whole leaves
    std::vector<Map> remainders_;      // of cut leaves: what must stay
    Plan plan_;
};

template <Format F>
Result<Plan> PageTable<F>::prepare(std::span<const Change> changes) {
    if (state_->planned) return refused::busy();
    state_->refill_reserve();
    auto plan = Preparation(*state_).run(changes);
    state_->planned = plan.has_value();
    return plan;
}

template <Format F>
void PageTable<F>::abandon(Plan&& plan) noexcept {
    SMMU_ASSERT(state_->planned);
    state_->planned = false;
    state_->give_back(plan.frames);
}

}  // namespace smmu::paging

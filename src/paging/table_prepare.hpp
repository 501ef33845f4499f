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
    if (table.level == 0) {
        const std::uint64_t first = index_in(table, std::max(range.first, table.base));
        return any_live(table.entries + first, index_in(table, std::min(range.last, last_of(table))) - first + 1);
    }
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
        if (leaf || (table.level == 1 && arena.tally(entries_at(F::link_target(entry))).live == slots(0)))
            visit(piece);
        else
            mapped_in(child(table, index, entry), piece, visit);
        return true;
    });
}

// All bits that the addresses of a mapping's pages have: together they must be what an entry can say.
template <Format F>
PhysAddr PageTable<F>::State::united_pages(const Map& map) const {
    const std::uint64_t distance = map.range.last - map.range.first;
    if (map.pages != nullptr) return {memory::rows::united(&map.pages->value, (distance >> granule_log2()) + 1)};
    return {map.physical.value | align_down(map.physical + distance, granule_log2()).value};
}

// Whether a mapping by itself can be carried out.
template <Format F>
bool PageTable<F>::State::is_sound(const Map& map) const {
    const std::uint64_t granule = std::uint64_t{1} << granule_log2(), distance = map.range.last - map.range.first;
    const PhysAddr pages = united_pages(map);
    const bool whole_granules = ((map.range.first.value | (distance + 1) | pages.value) & (granule - 1)) == 0;
    const bool wraps = map.pages == nullptr && ~std::uint64_t{0} - map.physical.value < distance;
    return whole_granules && !wraps && map.range.last.value >> geometry.input_bits == 0 && says(F::make_leaf(pages, map.access, 0), pages, map.access);
}

template <Format F>
Result<void> PageTable<F>::State::check(const Map& map) const {
    const unsigned granule = granule_log2();
    if (is_sound(map)) return {};
    if (map.range.last.value >> geometry.input_bits != 0) return refused::beyond_input(map.range, geometry.input_bits);
    if (map.range.rounded_out(granule) != map.range) return refused::misaligned(map.range, granule);
    if (!is_aligned(united_pages(map), granule)) return refused::physical_misaligned(map, granule);
    if (!F::expresses(map.access)) return refused::inexpressible(map);
    return refused::beyond_output(map);
}

// One preparation: its steps share what they found.
template <Format F>
class PageTable<F>::Preparation {
public:
    using Table = typename State::Table;

    explicit Preparation(State& state) : state_(state) { plan_.reserved_before = state.reserved_depth; }

    Result<Plan> run(std::span<const Change> changes) {
        SMMU_CHECK(sort(changes));
        SMMU_CHECK(check_overlaps());
        find_cut_leaves();
        plan_.additions = request_.maps;
        const bool only_unmaps = request_.maps.empty();
        SMMU_CHECK(only_unmaps ? take_for_remainders() : take_for_all());
        for (const IovaRange& range : removals_) plan_.removals.push_back({range});
        find_disturbed();
        return Plan(std::move(plan_));
    }
    // What a preparation that failed has taken.
    std::vector<memory::Frame>& frames() { return plan_.frames; }

private:
    struct Leaf {
        IovaRange range;
        unsigned level;
        typename F::Entry entry;
    };

    static IovaRange range_of(const Change& change) {
        return std::visit([](const auto& any) { return any.range; }, change);
    }

    Result<void> sort(std::span<const Change> changes) {
        const unsigned granule = state_.granule_log2();
        for (const Change& change : changes) {
            const IovaRange range = range_of(change);
            SMMU_ASSERT(range.first <= range.last);
            if (const Map* map = std::get_if<Map>(&change)) {
                SMMU_CHECK(state_.check(*map));
                request_.maps.push_back(*map);
                continue;
            }
            if (range.last.value >> state_.geometry.input_bits != 0)
                return refused::beyond_input(range, state_.geometry.input_bits);
            if (range.rounded_out(granule) != range) return refused::misaligned(range, granule);
            request_.unmaps.push_back(range);
        }
        SortedRequest::join(request_.unmaps);
        std::sort(request_.maps.begin(), request_.maps.end(),
                  [](const Map& a, const Map& b) { return a.range < b.range; });
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
        std::vector<Leaf> cut;
        for (const IovaRange& range : request_.unmaps) {
            for (const Iova end : {range.first, range.last}) {
                const auto [entry, level] = state_.template find<State::found>(end);
                const IovaRange leaf = IovaRange{end, end}.rounded_out(F::span_log2(level));
                if (!F::is_empty(entry) && !range.contains(leaf) && (cut.empty() || cut.back().range != leaf))
                    cut.push_back({leaf, level, entry});
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

    // The tables that additions need: at once, and those that the removals retire and their flush gives back.
    class Needs {
    public:
        explicit Needs(const Preparation& request)
            : request_(&request), beyond_those_that_stay_(request.new_count()), beyond_those_there_(request.new_count()) {}

        void add(const Map& map) {
            const Preparation& request = *request_;
            const std::uint64_t levels = request.state_.leaf_levels(map);
            const auto stays = [&](unsigned level, Iova address) {
                const auto table = request.table_for(level, address);
                return table && request.keeps_entry(*table);
            };
            const auto is_there = [&](unsigned level, Iova address) { return request.table_for(level, address).has_value(); };
            const std::uint64_t more = beyond_those_there_.add(map.range, levels, is_there);
            now += more;
            returning += beyond_those_that_stay_.add(map.range, levels, stays) - more;
        }

        std::uint64_t now = 0, returning = 0;

    private:
        const Preparation* request_;
        TableCount beyond_those_that_stay_, beyond_those_there_;
    };

    // The table at `level` that translates `address`.
    std::optional<Table> table_for(unsigned level, Iova address) const {
        Table table = state_.root_table();
        while (table.level > level) {
            const std::uint64_t index = state_.index_in(table, address);
            const auto entry = state_.load(table, index);
            if (F::is_empty(entry) || F::is_leaf(entry, table.level)) return std::nullopt;
            table = state_.child(table, index, entry);
        }
        return table;
    }

    // Whether something in a table stays through the removals; else they retire it. Costs by the slots that they touch.
    bool keeps_entry(const Table& table) const {
        const IovaRange span{table.base, state_.last_of(table)};
        std::uint64_t going = 0;
        std::optional<std::uint64_t> counted;  // a slot that two removals touch is met twice in a row
        for (auto removal = SortedRequest::from(removals_, span.first); removal != removals_.end() && removal->first <= span.last; ++removal)
            state_.each_in_use(table, *removal->intersection(span), [&](IovaRange slot, auto entry, std::uint64_t index) {
                const bool is_link = !F::is_leaf(entry, table.level);
                const bool goes = removal->contains(slot) || (is_link && !keeps_entry(state_.child(table, index, entry)));
                if (goes && counted != index) ++going;
                counted = index;
                return true;
            });
        return going < state_.arena.tally(table.entries).live;
    }

    // A request that maps gets every frame, or an error.
    Result<void> take_for_all() {
        plan_.additions.insert(plan_.additions.end(), remainders_.begin(), remainders_.end());
        sort_additions();
        Needs needed(*this);
        for (const Map& map : plan_.additions) needed.add(map);
        plan_.returning = needed.returning;
        unsigned depth = 0;
        for (const Map& map : request_.maps) depth = std::max(depth, state_.cut_depth(map));
        Result<void> taken = state_.raise_reserve(depth);
        if (taken) taken = state_.take_frames(needed.now, plan_.frames);
        if (!taken) state_.lower_reserve(plan_.reserved_before);
        return taken;
    }

    // A request that only unmaps is never refused: the reserve helps out, and what even that cannot rebuild closes.
    Result<void> take_for_remainders() {
        const std::uint64_t obtainable = state_.arena.available(state_.account, State::table_order);
        const std::uint64_t most = obtainable + state_.reserved();
        Needs needed(*this);
        for (const Map& map : remainders_) {
            Needs with = needed;
            with.add(map);
            if (with.now > most) {
                plan_.starved.push_back(map.range);
                continue;
            }
            needed = with;
            plan_.additions.push_back(map);
        }
        plan_.returning = needed.returning;
        SMMU_CHECK(state_.take_frames(std::min(needed.now, obtainable), plan_.frames));
        for (std::uint64_t taken = obtainable; taken < needed.now; ++taken)
            plan_.frames.push_back(State::take_table(state_.reserve));
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
    Plan::Parts plan_;
};

template <Format F>
Result<Plan> PageTable<F>::prepare(std::span<const Change> changes) {
    State& state = *state_;
    if (state.planned) return refused::busy();
    state.refill_reserve();
    Preparation preparation(state);
    auto plan = preparation.run(changes);
    if (plan)
        state.planned = true;
    else
        state.settle(preparation.frames());
    return plan;
}

template <Format F>
void PageTable<F>::abandon(Plan&& plan) noexcept {
    SMMU_ASSERT(state_->planned);
    Plan::Parts& parts = plan.parts();
    const bool nothing_added = parts.next_addition == 0 && parts.added_bytes == 0;
    if (nothing_added) state_->lower_reserve(parts.reserved_before);
    state_->settle(parts.frames);
}

}  // namespace smmu::paging

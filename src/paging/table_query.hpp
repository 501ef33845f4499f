// SPDX-License-Identifier: Apache-2.0
// PageTable's making and reading: create, translate, visit, check_shape.
#pragma once

#include <set>

#include "paging/request_errors.hpp"
#include "paging/table_state.hpp"

namespace smmu::paging {

template <Format F>
PageTable<F>::PageTable(std::unique_ptr<State> state) : state_(std::move(state)) {}
template <Format F>
PageTable<F>::PageTable(PageTable&&) noexcept = default;
template <Format F>
PageTable<F>::~PageTable() {
    SMMU_ASSERT(state_ == nullptr);
}

template <Format F>
Result<PageTable<F>> PageTable<F>::create(Geometry geometry, memory::Arena& arena, memory::Account& account) {
    if (!State::sound(geometry)) return refused::geometry(geometry);
    auto state = std::make_unique<State>(geometry, arena, account);
    SMMU_TRY(state->reserve, state->take_frames(state->reserve_target()));
    auto root = arena.take(account, state->root_order());
    if (!root) {
        for (memory::Frame& frame : state->reserve) arena.discard(std::move(frame));
        return pass_on(std::move(root));
    }
    memory::publish(geometry.coherency, root->words(), root->word_count() * sizeof(std::uint64_t));
    state->tables = std::uint64_t{1} << root->order();
    state->root = arena.keep(std::move(*root));
    return PageTable(std::move(state));
}

template <Format F>
PhysAddr PageTable<F>::root() const {
    return state_->root;
}

template <Format F>
const Geometry& PageTable<F>::geometry() const {
    return state_->geometry;
}

template <Format F>
std::uint64_t PageTable<F>::table_frames() const noexcept {
    return state_ == nullptr ? 0 : state_->tables + (state_->reserve.size() << State::table_order);
}

template <Format F>
std::optional<Translation> PageTable<F>::translate(Iova address) const noexcept {
    const auto leaf = state_->leaf_at(address);
    if (!leaf) return std::nullopt;
    return Translation{F::leaf_target(leaf->entry, leaf->level) + (address - leaf->range.first),
                       F::leaf_access(leaf->entry), F::span_log2(leaf->level)};
}

template <Format F>
void PageTable<F>::visit(const std::function<void(IovaRange, const Translation&)>& leaf) const {
    using Table = typename State::Table;
    const State& state = *state_;
    const auto walk = [&](const auto& self, const Table& table) -> void {
        const IovaRange all{table.base, state.last_of(table)};
        state.each_in_use(table, all, [&](IovaRange slot, auto entry, std::uint64_t index) {
            if (F::is_leaf(entry, table.level))
                leaf(slot, {F::leaf_target(entry, table.level), F::leaf_access(entry), F::span_log2(table.level)});
            else
                self(self, state.child(table, index, entry));
            return true;
        });
    };
    walk(walk, state.root_table());
}

template <Format F>
std::string PageTable<F>::check_shape() const {
    using Table = typename State::Table;
    const State& state = *state_;
    std::string breach;
    std::set<PhysAddr> seen{state.root};
    std::uint64_t frames = std::uint64_t{1} << state.root_order();
    const auto note = [&](const Table& table, const char* what) {
        if (breach.empty())
            breach = "table of level " + std::to_string(table.level) + " for device address " +
                     std::to_string(table.base.value) + ": " + what;
    };
    const auto walk = [&](const auto& self, const Table& table) -> void {
        std::uint64_t live = 0;
        const IovaRange all{table.base, state.last_of(table)};
        state.each_in_use(table, all, [&](IovaRange, auto entry, std::uint64_t index) {
            ++live;
            if (F::is_leaf(entry, table.level)) {
                if (!state.leaf_allowed(table.level)) note(table, "a leaf of a size that is not allowed");
                return breach.empty();
            }
            const PhysAddr below = F::link_target(entry);
            if (table.level == 0) {
                note(table, "a link in a leaf table");
            } else if (!state.arena.is_kept(below)) {
                note(table, "links a frame that is not a table");
            } else if (!seen.insert(below).second) {
                note(table, "links a table that is linked elsewhere");
            } else {
                frames += std::uint64_t{1} << State::table_order;
                self(self, state.child(table, index, entry));
            }
            return breach.empty();
        });
        if (live != state.arena.tally(table.address)) note(table, "the count of live entries is wrong");
        if (live == 0 && table.address != state.root) note(table, "is empty and linked");
    };
    walk(walk, state.root_table());
    if (breach.empty() && frames != state.tables) return "the count of linked tables is wrong";
    return breach;
}

}  // namespace smmu::paging

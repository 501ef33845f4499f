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
    SMMU_TRY(memory::Frame root, arena.take(account, state->root_order()));
    memory::publish(geometry.coherency, root.words(), root.word_count() * sizeof(std::uint64_t));
    state->tables = root.count();
    state->root = arena.keep(std::move(root));
    state->arena.tally(state->entries_at(state->root)) = {};
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
    return state_ == nullptr ? 0 : state_->tables + (state_->reserved() << State::table_order);
}

template <Format F>
std::optional<Translation> PageTable<F>::translate(Iova address) const noexcept {
    const auto [entry, level] = state_->template find<State::found>(address);
    if (F::is_empty(entry)) return std::nullopt;
    const std::uint64_t inside = address.value & (State::span(level) - 1);
    return Translation{F::leaf_target(entry, level) + inside, F::leaf_access(entry), F::span_log2(level)};
}

template <Format F>
Target PageTable<F>::target(Iova address) const noexcept {
    return state_->template find<State::target>(address);
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
        memory::Arena::Tally found{};
        const IovaRange all{table.base, state.last_of(table)};
        state.each_in_use(table, all, [&](IovaRange, auto entry, std::uint64_t index) {
            ++found.live;
            if (F::is_leaf(entry, table.level)) {
                if (!state.leaf_allowed(table.level)) note(table, "a leaf of a size that is not allowed");
                return breach.empty();
            }
            ++found.links;
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
        if (found != state.arena.tally(table.entries)) note(table, "the count of live entries is wrong");
        if (found.live == 0 && table.level != state.top()) note(table, "is empty and linked");
    };
    walk(walk, state.root_table());
    if (breach.empty() && frames != state.tables) return "the count of linked tables is wrong";
    return breach;
}

}  // namespace smmu::paging

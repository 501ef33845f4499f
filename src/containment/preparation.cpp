// SPDX-License-Identifier: Apache-2.0
#include "containment/preparation.hpp"

#include <algorithm>

namespace smmu::containment {

Preparation::~Preparation() {
    for (SpaceChange& change : changes_)
        state_.spaces.find(change.space)->tables->abandon(std::move(change.plan));
    for (const SpaceKey& key : made_) {
        // Nothing was ever attached to it; a unit that does not confirm even so is failed and says
        // it itself.
        (void)state_.driver(key.unit)->retire(state_.spaces.take(key));
    }
}

Result<void> Preparation::need_space(GroupId group, UnitId unit) {
    const SpaceKey key = state_.key(object_, group, unit);
    if (state_.spaces.find(key) != nullptr) return {};
    Client* client = state_.clients.find(object_.client);
    SMMU_TRY(auto tables, state_.driver(unit)->create_space(client->user->tables));
    Space& space = state_.spaces.add(key, std::move(tables));
    made_.push_back(key);
    if (!key.group && key.doorbells.empty()) return {};
    // By the unit's own granule, not the object's: a coarser device beside must neither open nor
    // cut more of it.
    const units::Capabilities& capabilities = state_.driver(unit)->capabilities();
    space.extras = always_reachable(state_.groups.extras(group, object_.reserved_manual),
                                    state_.protected_from_group(group), capabilities,
                                    capabilities.granule_log2);
    return {};
}

bool Preparation::is_new(const Space& space) const {
    return std::ranges::find(made_, space.key) != made_.end();
}

Result<void> Preparation::prepare_space(const Space& space, const Windows& windows, const Runs& before,
                                        const Runs& after, On shortage, Ahead ahead) {
    const units::Capabilities& unit = state_.driver(space.key.unit)->capabilities();
    const Runs extras = runs_in(space.extras, windows);
    SMMU_TRY(const Runs wanted, effective_set(after, extras, unit));
    Runs now;
    if (!is_new(space)) {
        SMMU_TRY(now, effective_set(before, extras, unit));
        if (!space.starved.empty()) now = without(now, space.starved);
    }
    Difference change = difference(now, wanted);
    if (change.empty()) return {};
    if (ahead == Ahead::cannot_fail && carry_out_in_place(space, change)) return {};
    const auto requested = [&] {
        ShortList<units::Change, 2> changes;
        changes.reserve(change.removals.size() + change.additions.size());
        for (const paging::Unmap& removal : change.removals) changes.push_back(removal);
        for (const paging::Map& addition : change.additions) changes.push_back(addition);
        return changes;
    };
    auto plan = space.tables->prepare(requested());
    const auto short_of_tables = [](const Error& error) {
        return error.code == ENOMEM || error.code == EDQUOT || error.code == ENOSPC;
    };
    Windows starved;
    if (!plan && shortage == On::shortage_closes && short_of_tables(plan.error())) {
        for (const paging::Map& addition : change.additions) starved.push_back(addition.range);
        change.additions.clear();
        plan = space.tables->prepare(requested());
    }
    if (!plan) return pass_on(std::move(plan));
    changes_.push_back({space.key, std::move(change), std::move(starved), *std::move(plan), {}});
    return {};
}

// The whole change of one space, if it is a single one that needs no plan.
bool Preparation::carry_out_in_place(const Space& space, const Difference& change) {
    if (change.removals.size() + change.additions.size() != 1) return false;
    auto done = change.removals.empty() ? space.tables->map_in_place(change.additions[0])
                                        : space.tables->unmap_in_place(change.removals[0].range);
    if (done && !*done) return false;
    units::Plan nothing_left;
    nothing_left.stage = units::Plan::Stage::done;
    SpaceChange& made = changes_.emplace_back(space.key, change, Windows(), std::move(nothing_left), Result<void>());
    if (!done) made.confirmed = pass_on(std::move(done));
    return true;
}

Result<void> Preparation::prepare(const Windows& windows, const Runs& before, const Runs& after, On shortage, Ahead ahead) {
    const bool same = &before == &after || before == after;
    const auto spaces = state_.spaces.of(object_.id);
    if (spaces.size() > 1) ahead = Ahead::may_fail;  // the next space may refuse
    for (const Space* space : spaces) {
        if (same && space->starved.empty() && !is_new(*space)) continue;
        SMMU_CHECK(prepare_space(*space, windows, before, after, shortage, ahead));
    }
    return {};
}

std::vector<SpaceChange> Preparation::take() {
    made_.clear();
    return std::exchange(changes_, {});
}

}  // namespace smmu::containment

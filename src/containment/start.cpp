// SPDX-License-Identifier: Apache-2.0
#include "containment/start.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "containment/claims.hpp"

namespace smmu::containment {
namespace {

Result<void> fill(Space& space, const units::Capabilities& unit) {
    SMMU_TRY(const Runs wanted, effective_set({}, runs_in(space.extras, {all_addresses}), unit));
    const Difference everything = difference({}, wanted);
    const std::vector<units::Change> changes(everything.additions.begin(),
                                             everything.additions.end());
    SMMU_TRY(units::Plan plan, space.tables->prepare(changes));
    units::Budget unlimited;
    while (true) {
        SMMU_TRY(const units::Progress progress, space.tables->commit(plan, unlimited));
        if (progress == units::Progress::done) break;
        unlimited = {};
    }
    return {};
}

// What a unit was found with, clients of an earlier service may have programmed devices for: they are
// made quiet before their first owner's tables open. Startup mappings are for DMA that goes on.
void expect_former_owners(State& state, UnitId unit) {
    for (std::size_t g = 0; g < state.groups.count(); ++g) {
        const GroupId group{std::uint32_t(g)};
        const bool is_left_alone =
            std::ranges::any_of(state.groups.of(group).devices, [&](DeviceIndex index) {
                return state.device(index).host || starts_with_mappings(state.device(index));
            });
        if (!is_left_alone && state.groups.units_of(group).contains(unit))
            state.groups.of(group).quiet = false;
    }
}

Result<units::TakeOver> take_over(State& state, UnitId unit) {
    units::IommuUnit* driver = state.driver(unit);
    if (driver == nullptr)
        return fail(ENODEV,
                    fmt::format("{} is known but not programmed", state.machine.unit(unit).name));
    for (std::size_t g = 0; g < state.groups.count(); ++g) {
        const GroupId group{std::uint32_t(g)};
        if (!state.groups.units_of(group).contains(unit)) continue;
        SMMU_TRY(auto space, make_startup_space(state, state.machine, state.groups.of(group), group, unit));
        if (space) state.spaces.add(*std::move(space));
    }
    auto taken = driver->take_over(state.assignments(unit, true));
    if (!taken) return taken;
    state.taken_over.insert(unit);
    if (taken->found != units::Found::off) expect_former_owners(state, unit);
    return taken;
}

// After a flush that was not confirmed nobody can say what the tables open, so this instance does not
// take the unit over again.
Error failure_of(const State& state, UnitId unit) {
    const bool refuses = state.driver(unit)->report().stop_confirmed;
    return {EIO,
            fmt::format("{} is failed: it did not confirm what it was told; {}; restart the service, "
                        "which makes its devices quiet before they open again",
                        state.machine.unit(unit).name,
                        refuses ? "it was stopped and everything behind it refuses"
                                : "its stop was not confirmed either: treat everything that its "
                                  "devices could reach as reachable")};
}

// Nothing of what hardware walks may be freed, not even when this process forgets it: table memory
// outlives it.
void keep_for_ever(std::unique_ptr<units::AddressSpace> space) {
    static auto& kept = *new std::vector<std::unique_ptr<units::AddressSpace>>;
    kept.push_back(std::move(space));
}

}  // namespace

std::vector<Result<units::TakeOver>> take_over(State& state) {
    std::vector<Result<units::TakeOver>> results;
    for (std::size_t u = 0; u < state.drivers.size(); ++u)
        results.push_back(take_over(state, UnitId(std::uint32_t(u))));
    return results;
}

std::vector<Error> recheck(State& state) noexcept {
    std::vector<Error> errors;
    const Instant now = state.clock.now();
    for (const UnitId unit : state.taken_over) {
        units::IommuUnit* driver = state.driver(unit);
        if (driver->state() == units::UnitState::failed) {
            errors.push_back(failure_of(state, unit));
            continue;
        }
        auto checked = driver->recheck();
        if (checked) continue;
        driver->hard_stop();
        const auto open =
            std::chrono::duration_cast<std::chrono::milliseconds>(now - state.last_recheck);
        Error error = std::move(checked).error();
        error.text +=
            fmt::format("; it was stopped, and may have been open for up to {} ms", open.count());
        if (auto again = driver->take_over(state.assignments(unit, false)); again)
            error.text += "; it was taken over again";
        else
            error.text += "; it could not be taken over again: " + again.error().text;
        errors.push_back(std::move(error));
    }
    state.last_recheck = now;
    return errors;
}

Result<std::optional<Space>> make_startup_space(State& state, const topology::Topology& machine, const GroupState& of,
                                                GroupId group, UnitId unit) {
    const std::vector<topology::Grant> extras = of.startup();
    if (extras.empty()) return std::nullopt;
    units::IommuUnit& driver = *state.driver(unit);
    const units::Capabilities& can = driver.capabilities();
    Space space{{std::nullopt, unit, group},
                always_reachable(extras, protected_from_group(machine, group), can, can.granule_log2),
                {},
                nullptr};
    SMMU_TRY(space.tables, driver.create_space(state.service_account));
    if (auto filled = fill(space, can); !filled) {
        (void)driver.retire(std::move(space.tables));  // no stream was ever on it
        return pass_on(std::move(filled));
    }
    return space;
}

Result<void> turn_off(State& state, UnitId unit) noexcept {
    if (raw(unit) >= state.drivers.size() || !state.taken_over.contains(unit))
        return fail(EINVAL, "this unit is not programmed, so there is nothing to turn off");
    for (std::size_t g = 0; g < state.groups.count(); ++g) {
        const GroupId group{std::uint32_t(g)};
        const auto owner = state.groups.claimed_by(group);
        if (owner && state.groups.units_of(group).contains(unit))
            return fail(EBUSY, fmt::format("{} is behind {} and belongs to {}; end that client first",
                                           state.device_text(state.groups.of(group).devices.front()),
                                           state.machine.unit(unit).name, state.owner_text(*owner)));
    }
    SMMU_CHECK(state.driver(unit)->turn_off());
    state.taken_over.erase(unit);
    return {};
}

void leave(State& state, bool keep_startup) noexcept {
    for (std::size_t u = 0; u < state.drivers.size(); ++u) {
        const UnitId unit{std::uint32_t(u)};
        units::IommuUnit* driver = state.driver(unit);
        if (driver == nullptr || driver->state() == units::UnitState::untouched) continue;
        const auto kept =
            keep_startup ? state.assignments(unit, true) : std::vector<units::Assignment>{};
        (void)driver->leave(kept);  // the unit's state says what it could not promise
    }
    for (Space* space : state.spaces.of(std::nullopt)) {
        units::IommuUnit* driver = state.driver(space->key.unit);
        auto tables = state.spaces.take(space->key);
        if (driver->state() == units::UnitState::untouched)
            (void)driver->retire(std::move(tables));  // no stream was ever on it
        else
            keep_for_ever(std::move(tables));
    }
}

}  // namespace smmu::containment

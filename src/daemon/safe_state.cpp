// SPDX-License-Identifier: Apache-2.0
#include "daemon/safe_state.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "base/clock.hpp"
#include "containment/containment.hpp"
#include "daemon/configuration_source.hpp"
#include "daemon/machine.hpp"
#include "daemon/pci_devices.hpp"
#include "daemon/registry.hpp"

namespace smmu::daemon {

namespace {

void say(const std::string& text) { std::fprintf(stderr, "smmuman: safe state: %s\n", text.c_str()); }

int ended(const Stop& why) {
    say(why.text);
    return int(why.status);
}

// What a safe state goes by.
struct Basis {
    config::Configuration configuration;
    bool readable;  // else it grants nothing
    bool keeps_startup() const { return readable && configuration.exit.value == config::ExitPolicy::startup; }
};

Basis read_basis(const ConfigurationSource& source) {
    if (auto configuration = source.read()) return {*std::move(configuration), true};
    else say("startup mappings go as well, " + configuration.error().text);
    return {source.hardware_alone(), false};
}

// A unit that walks tables of ours, and what becomes of it.
struct Walking {
    topology::Unit unit;
    bool contained = false;
    std::string outcome = {};
};

bool lies_in(PhysAddr tables, std::span<const PhysRange> ranges) {
    return std::ranges::any_of(ranges, [&](const PhysRange& range) { return range.contains(tables); });
}

// Those whose tables are ours, and those that walk the page of zeros: an earlier safe state turned them there, and may not have seen
// them forget what they had before.
std::vector<Walking> walking_in(const Machine& machine, std::span<const PhysRange> ranges) {
    std::vector<Walking> found;
    const auto zeros = machine.platform->zero_page();
    const auto was_unread = [&](const topology::Unit& unit) {
        return std::ranges::find(machine.unread_units, unit.registers.first, &UnreadUnit::base) != machine.unread_units.end();
    };
    for (const topology::Unit& unit : machine.topology.units) {
        const auto look = look_at_unit(unit, *machine.platform);
        if (!look && !was_unread(unit))
            found.push_back({unit, false, look.error().text});  // it answered a moment ago
        else if (look && look->tables && (lies_in(*look->tables, ranges) || (zeros && *look->tables == *zeros)))
            found.push_back({unit});
    }
    return found;
}

void say_what_is_left_alone(const Machine& machine, std::span<const PhysRange> ranges) {
    const auto zeros = machine.platform->zero_page();
    for (const PhysAddr tables : machine.walked_tables)
        if (!lies_in(tables, ranges) && !(zeros && tables == *zeros))
            say(fmt::format("a unit walks tables at {:#x} which no service of this boot made; it is left as it is", tables.value));
}

// The units are taken over where they are, by a containment without clients: startup mappings go on meanwhile.
class Adoption {
public:
    Adoption(const Machine& machine, std::unique_ptr<memory::Arena> arena, Clock& clock)
        : machine_(machine), clock_(clock), arena_(std::move(arena)), devices_(*machine.pci_config, clock) {}

    void carry_out(std::vector<Walking>& walking, bool keeps_startup) {
        std::vector<containment::DrivenUnit> driven;
        for (const topology::Unit& unit : machine_.topology.units) driven.push_back(open(unit, walking));
        std::vector<units::IommuUnit*> drivers;
        for (const containment::DrivenUnit& unit : driven) drivers.push_back(unit.driver.get());
        containment_.emplace(machine_.topology, std::move(driven), devices_, clock_, containment::Policy{});
        const auto results = containment_->take_over();
        for (std::size_t i = 0; i < results.size(); ++i)
            if (!results[i] && drivers[i] != nullptr) drivers[i]->hard_stop();
        containment_->leave(keeps_startup);
        for (std::size_t i = 0; i < results.size(); ++i)
            if (drivers[i] != nullptr) judge(*drivers[i], results[i], *find(machine_.topology.units[i], walking), keeps_startup);
    }

private:
    static Walking* find(const topology::Unit& unit, std::vector<Walking>& walking) {
        const auto found = std::ranges::find(walking, unit.registers.first, [](const Walking& one) { return one.unit.registers.first; });
        return found == walking.end() ? nullptr : &*found;
    }
    containment::DrivenUnit open(const topology::Unit& unit, std::vector<Walking>& walking) {
        containment::DrivenUnit driven;
        Walking* const known = find(unit, walking);
        if (known == nullptr) return driven;
        auto opened = open_unit(unit, {*machine_.platform, *arena_, tables_, clock_});
        if (opened)
            driven.driver = std::move(*opened);
        else
            known->outcome = opened.error().text;
        return driven;
    }
    static void judge(const units::IommuUnit& driver, const Result<units::TakeOver>& taken, Walking& unit, bool keeps_startup) {
        const units::UnitReport report = driver.report();
        unit.contained = driver.state() == units::UnitState::containing || (driver.state() == units::UnitState::failed && report.stop_confirmed);
        if (driver.state() == units::UnitState::containing)
            unit.outcome = keeps_startup ? "clients are blocked, startup mappings stay" : "everything is refused";
        else
            unit.outcome = fmt::format("{}{}", unit.contained ? "everything is refused: " : "", taken ? report.mode : taken.error().text);
    }

    const Machine& machine_;
    Clock& clock_;
    std::unique_ptr<memory::Arena> arena_;
    memory::Account tables_;
    PciDevices devices_;
    std::optional<containment::Containment> containment_;
};

// Nothing: the memory is no arena that an earlier service left, with the reason.
Result<std::unique_ptr<memory::Arena>> continue_arena(const platform::Platform& platform, const platform::LeftTables& left) {
    if (!left.memory) return fail(ENOENT, left.lost);
    SMMU_TRY(const bool continues, memory::Arena::would_continue(*left.memory, platform.boot_identity()));
    if (!continues) return fail(ENOENT, "table memory holds nothing of a service of this boot");
    return memory::Arena::open(*left.memory, platform.boot_identity());
}

void adopt(Machine& machine, const platform::LeftTables& left, const Basis& basis, std::vector<Walking>& walking, Clock& clock) {
    auto arena = continue_arena(*machine.platform, left);
    if (!arena) {
        for (Walking& unit : walking) unit.outcome = arena.error().text;
        return;
    }
    machine.table_memory = left.memory;
    machine.topology = machine.survey(basis.configuration);  // with table memory out of everybody's reach
    Adoption(machine, std::move(*arena), clock).carry_out(walking, basis.keeps_startup());
}

// The way that needs no table memory.
void shut(platform::Platform& platform, Walking& unit, Clock& clock) {
    const auto done = shut_unit(unit.unit, platform, clock);
    unit.contained = done.has_value();
    if (done)
        unit.outcome = fmt::format("everything is refused, startup mappings too: {}", unit.outcome);
    else
        unit.outcome = fmt::format("NOT CONTAINED: {}; {}", unit.outcome, done.error().text);
}

// A unit that is asleep, was not looked at or is left alone may yet lead to what clients had; so may one that nobody knows any more.
bool nothing_leads_to_clients(const Machine& machine, const Basis& basis, std::span<const Walking> walking) {
    return basis.readable && machine.silent_units.empty() && machine.unread_units.empty() && walking.size() == machine.walked_tables.size();
}

}  // namespace

int enter_safe_state(const CommandLine& line) {
    const Basis basis = read_basis(ConfigurationSource(line.words));
    auto machine = look_around(basis.configuration, line.tables);
    if (!machine) return ended(machine.error());
    int unread = int(ExitStatus::fine);
    for (const UnreadUnit& unit : machine->unread_units) {
        say("not looked at, and left as it is: " + unit.why.text);
        if (!basis.configuration.accepts_uncontained(unit.base)) unread = int(ExitStatus::hardware);
    }
    if (machine->walked_tables.empty()) {
        say("no unit is translating, so no service left anything");
        return unread;
    }
    const config::TableMemory& wanted = basis.configuration.tables.value;
    const auto left = machine->platform->left_tables(wanted.range, table_bytes(wanted));
    if (!left) return ended({ExitStatus::hardware, left.error().text});

    SteadyClock clock;
    auto walking = walking_in(*machine, left->ranges);
    say_what_is_left_alone(*machine, left->ranges);
    adopt(*machine, *left, basis, walking, clock);
    for (Walking& unit : walking)
        if (!unit.contained) shut(*machine->platform, unit, clock);
    for (const Walking& unit : walking) say(unit.unit.name + ": " + unit.outcome);
    if (!std::ranges::all_of(walking, &Walking::contained)) return int(ExitStatus::not_contained);
    if (nothing_leads_to_clients(*machine, basis, walking)) machine->platform->release_earlier_pins();
    return unread;
}

}  // namespace smmu::daemon

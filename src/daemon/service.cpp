// SPDX-License-Identifier: Apache-2.0
#include "daemon/service.hpp"

#include <fmt/format.h>
#include <sys/random.h>
#include <systemd/sd-daemon.h>

#include <algorithm>
#include <cstdio>

#include "daemon/registry.hpp"
#include "daemon/status.hpp"
#include "memory/gather.hpp"
#include "pci/gate.hpp"
#include "report/status.hpp"

namespace smmu::daemon {

namespace {

std::uint64_t random_instance() {
    std::uint64_t number = 0;
    while (number == 0)
        if (getrandom(&number, sizeof number, 0) != sizeof number) number = 0;
    return number;
}

// One a line; a table can be wrong in thousands of places.
std::string listed(const std::vector<std::string>& problems) {
    constexpr std::size_t most_listed = 20;
    std::string text;
    for (std::size_t i = 0; i < std::min(problems.size(), most_listed); ++i) text += "\n  " + problems[i];
    if (problems.size() > most_listed) text += fmt::format("\n  and {} more", problems.size() - most_listed);
    return text;
}

bool is_among(const topology::Finding& finding, const std::vector<topology::Finding>& others) {
    return std::ranges::any_of(others, [&](const topology::Finding& other) {
        return other.severity == finding.severity && other.id == finding.id && other.text == finding.text;
    });
}

double milliseconds(Nanoseconds time) { return double(time.count()) / 1e6; }

}  // namespace

Service::Service(ConfigurationSource source, config::Configuration configuration, People people, Clock& clock,
                 Machine machine)
    : source_(std::move(source)), configuration_(std::move(configuration)), people_(std::move(people)), clock_(clock),
      instance_(random_instance()), machine_(std::move(machine)), pin_quota_(pin_limit(machine_.platform->ram())) {
    devices_ = std::make_unique<PciDevices>(*machine_.pci_config, clock_);
    rescan_ = std::make_unique<pci::Rescan>(*machine_.pci_config, machine_.config_windows());
}

// Clients are gone by now; memory that is still held is some that a unit may lead to.
Service::~Service() { machine_.platform->retain_pins(); }

Started<std::unique_ptr<Service>> Service::start(ConfigurationSource source, config::Configuration configuration,
                                                 const std::optional<std::string>& tables_folder, Clock& clock) {
    const Instant begin = clock.now();
    auto people = People::resolve(configuration);
    if (!source.is_deliberate(configuration))
        return stop(ExitStatus::configuration, "NOT CONTAINED: every unit was left as found: this machine is contained only when it is said "
                                               "how: give a configuration (@file) or the kind of its units (smmu vtd)");
    if (!people)
        return stop(ExitStatus::configuration, left_as_found(configuration, tables_folder) + ": " + people.error().text);
    auto machine = discover(configuration, tables_folder);
    if (!machine) return std::unexpected(machine.error());
    const bool on_trial = configuration.trial.value.count() != 0;
    std::unique_ptr<Service> service(
        new Service(std::move(source), std::move(configuration), std::move(*people), clock, std::move(*machine)));
    service->on_trial_ = on_trial;

    auto driven = service->open_units();
    containment::Policy policy;
    policy.widen_allowed = service->configuration_.widen.value == config::Widen::allow;
    // Whatever clients hold, the service can still block, stop and take over again; and no user can take all.
    const std::uint64_t frames = service->machine_.arena->count().total;
    policy.table_frames_of_clients = frames - frames / 16;
    policy.table_frames_per_user = std::min(policy.table_frames_per_user, frames / 2);
    service->containment_ = std::make_unique<containment::Containment>(
        service->machine_.topology, std::move(driven), *service->devices_, clock, policy);
    service->take_units_over();
    service->start_time_ = clock.now() - begin;
    if (auto judged = service->judge(); !judged) return std::unexpected(judged.error());
    return service;
}

std::vector<containment::DrivenUnit> Service::open_units() {
    std::vector<containment::DrivenUnit> driven;
    const UnitParts parts{*machine_.platform, *machine_.arena, own_tables_, clock_};
    for (const topology::Unit& unit : machine_.topology.units) {
        UnitOutcome& outcome = outcomes_.emplace_back();
        outcome.accepted = configuration_.accepts_uncontained(unit.registers.first);
        outcome.silent = !unit.answers;
        driven.emplace_back();
        if (outcome.silent) continue;
        auto opened = open_unit(unit, parts);
        if (!opened) {
            outcome.problem = opened.error().text;
            continue;
        }
        outcome.driver = opened->get();
        driven.back().driver = std::move(*opened);
    }
    return driven;
}

void Service::take_units_over() {
    const auto results = containment_->take_over();
    for (std::size_t i = 0; i < results.size(); ++i) {
        UnitOutcome& outcome = outcomes_[i];
        if (!outcome.problem.empty() || outcome.silent) continue;
        outcome.programmed = results[i].has_value();
        if (results[i]) {
            outcome.take_over = *results[i];
            continue;
        }
        outcome.problem = results[i].error().text;
        // A unit that somebody else must give up first was left as found; any other is made to refuse everything.
        const int code = results[i].error().code;
        if (!outcome.accepted && code != EBUSY && code != ENOTSUP) outcome.driver->hard_stop();
    }
    // A unit that is silent now (asleep, unplugged) may wake on what an earlier instance gave it.
    const bool all = std::ranges::all_of(outcomes_, &UnitOutcome::programmed);
    if (all && (!machine_.arena->continued() || retire_earlier_generations())) machine_.platform->release_earlier_pins();
}

// No unit holds anything of a predecessor any more, so what it left in table memory is free. With a unit that could
// not be taken over nothing is: that one may still walk it.
bool Service::retire_earlier_generations() {
    for (std::uint32_t i = std::uint32_t(outcomes_.size()); i-- > 0;) {
        if (outcomes_[i].driver == nullptr) continue;
        memory::Invalidator* caches = outcomes_[i].driver->caches();
        if (caches == nullptr) continue;
        memory::Gather everything;
        everything.cover_everything();
        auto flushed = caches->flush(std::move(everything), *machine_.arena);
        if (flushed) machine_.arena->retire_earlier_generations(std::move(*flushed));
        return flushed.has_value();
    }
    return false;
}

Started<void> Service::judge() {
    std::vector<std::string> problems;
    std::size_t programmed = 0;
    for (std::uint32_t i = 0; i < outcomes_.size(); ++i) {
        programmed += outcomes_[i].programmed ? 1u : 0u;
        if (outcomes_[i].problem.empty() || outcomes_[i].accepted) continue;
        problems.push_back(outcomes_[i].problem);
        quieten_behind(UnitId(i));
    }
    for (const topology::Finding& finding : machine_.topology.findings)
        if (finding.severity == topology::Severity::error)
            problems.push_back(fmt::format("{}: {}", finding.origin.text, finding.text));
    if (programmed == 0)
        return stop(ExitStatus::not_contained, "NOT CONTAINED: no unit could be programmed" +
                                                   (problems.empty() ? " (none is known: firmware may have them switched off; `unit` describes one by hand)" : listed(problems)));
    if (!problems.empty())
        return stop(ExitStatus::not_contained,
                    fmt::format("NOT CONTAINED: {} of {} units are blocking; the others could not be programmed "
                                "(`uncontained accept ADDRESS` starts without one):{}",
                                programmed, outcomes_.size(), listed(problems)));
    return {};
}

// Devices behind a unit that cannot be programmed: bus mastering goes off at the functions themselves. Not of those that are
// the kernel's by configuration: they would not be contained by the unit either.
void Service::quieten_behind(UnitId unit) {
    for (const topology::Device& device : machine_.topology.devices)
        if (!device.host && std::ranges::any_of(device.streams, [&](const topology::Stream& s) { return s.unit == unit; }))
            devices_->bus_master_off(device);
}

Result<ClientId> Service::connect(int socket, const protocol::Peer& peer) {
    SMMU_TRY(auto identity, people_.identify(socket, peer, configuration_.platform.value.board));
    return containment_->connect(std::move(identity));
}

Result<std::unique_ptr<platform::PinnedMemory>> Service::hold(UniqueFd memory, std::uint64_t offset, std::uint64_t length) {
    if (machine_.kernel_keeps_units) return client_views_.hold(std::move(memory), offset, length);
    return machine_.platform->pin(std::move(memory), offset, length);
}

Result<void> Service::check_by_address() const {
    if (!machine_.kernel_keeps_units) return {};
    return fail(ENOTSUP, "memory cannot be granted by its address on a machine whose kernel keeps the IOMMU: hand it over by a file descriptor "
                         "(smmu_mapping_add_fd)");
}

Result<UniqueFd> Service::device_descriptor(ClientId client, const containment::DeviceQuery& device) {
    if (!machine_.kernel_keeps_units)
        return fail(ENOTSUP, "the kernel keeps no unit of this machine, so devices have no descriptors; use their registers");
    SMMU_TRY(const topology::Stream stream, containment_->attached_stream(client, device));
    return outcomes_[raw(stream.unit)].driver->device_descriptor(stream.id);
}

std::string Service::summary() const {
    const auto programmed = std::ranges::count(outcomes_, true, &UnitOutcome::programmed);
    const auto known = std::ranges::count(outcomes_, false, &UnitOutcome::silent);
    std::size_t outside = 0;
    for (std::uint32_t i = 0; i < machine_.topology.devices.size(); ++i)
        if (containment_->view(DeviceIndex(i)).state == containment::Containment::DeviceView::State::no_unit) ++outside;
    return fmt::format("contained {} of {} units, {} devices behind no unit, {:.1f} ms", programmed, known,
                       outside, milliseconds(start_time_));
}

std::string Service::status_json(ClientId reader) const {
    report::Status status;
    status.platform = machine_.platform->name();
    status.generation = machine_.arena->generation();
    status.start_us = std::uint64_t(start_time_.count() / 1000);
    const auto count = machine_.arena->count();
    status.table_bytes = count.total * memory::frame_bytes;
    status.table_bytes_used = (count.total - count.free) * memory::frame_bytes;
    fill(status, *containment_, containment_->identity(reader));
    if (!keeper_problem_.empty()) status.findings.push_back({"holder-gone", "warning", "smmuman-holder", keeper_problem_});
    for (std::size_t i = 0; i < outcomes_.size(); ++i) {
        const UnitOutcome& outcome = outcomes_[i];
        report::Unit& unit = status.units[i];
        if (!outcome.programmed)
            unit.state = outcome.released ? "released" : outcome.silent ? "no answer" : "not programmed";
        if (!outcome.problem.empty()) unit.problem = outcome.problem;
        unit.take_over_us = std::uint64_t(outcome.take_over.took.count() / 1000);
        unit.pause_us = std::uint64_t(outcome.take_over.pause.count() / 1000);
    }
    return report::to_json(status);
}

bool Service::look_for_refusals() noexcept {
    const bool more = containment_->drain();
    containment_->tick();
    devices_->advance();
    return more;
}

// Two cannot drive one unit: what the kernel has by now is its own.
std::optional<Service::Change> Service::check_given_up() {
    if (machine_.kernel_keeps_units) return std::nullopt;
    std::string lost;
    for (std::size_t i = 0; i < outcomes_.size(); ++i) {
        if (!outcomes_[i].programmed) continue;
        const topology::Unit& unit = machine_.topology.units[i];
        std::vector<PhysRange> registers{unit.registers};
        for (const topology::CacheUnit& cache : unit.caches) registers.push_back(cache.registers);
        for (const PhysRange& range : registers)
            if (const auto given_up = machine_.platform->check_given_up(range); !given_up)
                lost += fmt::format("\n  {}: {}", unit.name, given_up.error().text);
    }
    if (lost.empty()) return std::nullopt;
    return Change{false, "a driver of the kernel came for units of this service:" + lost};
}

std::optional<Service::Change> Service::recheck() noexcept {
    if (auto lost = check_given_up()) return lost;
    std::string changes;
    for (const Error& change : containment_->recheck()) changes += "\n  " + change.text;
    if (!machine_.kernel_keeps_units)
        for (const std::string& change : pci::put_gate_back(*machine_.pci_config, machine_.pci)) changes += "\n  " + change;
    if (const auto change = follow_devices()) changes += "\n  " + *change;
    if (changes.empty()) return std::nullopt;
    const bool contained = std::ranges::none_of(outcomes_, [](const UnitOutcome& outcome) {
        return outcome.programmed && outcome.driver->state() != units::UnitState::containing;
    });
    return Change{contained, "the machine is no longer what it was:" + changes};
}

// Functions that appear join blocked; what has vanished refuses, and its owner is told.
std::optional<std::string> Service::follow_devices() {
    if (devices_->resetting_any()) return std::nullopt;
    if (!rescan_->look(machine_.pci) && unfollowed_.empty()) return std::nullopt;
    const std::string before = std::exchange(unfollowed_, {});
    auto said = take_in_devices();
    if (said && *said == before) return std::nullopt;  // tried again, in vain
    return said;
}

// Another function in the place of a known one has its address and streams, and nothing else of it.
Result<void> Service::forget_replaced() {
    if (rescan_->replaced().empty()) return {};
    const auto known = machine_.pci.functions;
    std::erase_if(machine_.pci.functions, [&](const topology::PciFunction& function) {
        return std::ranges::find(rescan_->replaced(), function.address) != rescan_->replaced().end();
    });
    auto forgotten = containment_->replace_topology(machine_.survey(configuration_), containment::Containment::Gone::let_go);
    if (!forgotten) machine_.pci.functions = known;  // else the new one would be taken for the old one next time
    return forgotten;
}

std::optional<std::string> Service::take_in_devices() {
    const auto cannot = [&](const std::string& why) {
        return unfollowed_ = "PCI functions came or went, which cannot be followed now: " + why;
    };
    if (const auto forgotten = forget_replaced(); !forgotten) return cannot(forgotten.error().text);
    if (const auto looked = machine_.look_at_pci_again(); !looked) return unfollowed_ = looked.error().text;
    const auto count = [](const topology::Topology& topology) {
        return std::ranges::count(topology.devices, false, &topology::Device::gone);
    };
    const auto before = count(containment_->topology());
    const auto replaced =
        containment_->replace_topology(machine_.survey(configuration_), containment::Containment::Gone::let_go);
    if (!replaced) return cannot(replaced.error().text);
    machine_.topology = containment_->topology();
    return fmt::format("PCI functions came or went: {} devices before, {} now", before, count(machine_.topology));
}

// Where nobody would keep the tables any more, units must not need them when this process lets them go.
void Service::leave() noexcept {
    const bool tables_stay = !machine_.platform->needs_keeper() || machine_.platform->join_keeper();
    containment_->leave(tables_stay && configuration_.exit.value == config::ExitPolicy::startup);
    if (!tables_stay) shut_units();
}

void Service::shut_units() noexcept {
    for (std::size_t i = 0; i < outcomes_.size(); ++i) {
        if (!outcomes_[i].programmed) continue;
        const topology::Unit& unit = machine_.topology.units[i];
        if (const auto done = shut_unit(unit, *machine_.platform, clock_); !done)
            std::fprintf(stderr, SD_CRIT "smmuman: %s: NOT CONTAINED from now on, nobody keeps its tables: %s\n", unit.name.c_str(), done.error().text.c_str());
        else
            std::fprintf(stderr, SD_WARNING "smmuman: %s: nobody keeps its tables: shut, startup mappings go as well\n", unit.name.c_str());
    }
}

Result<void> Service::reload() {
    const auto refused = [](const std::string& text) { return fail(EINVAL, "nothing has changed: " + text); };
    auto next = source_.read();
    if (!next) return fail(EINVAL, "nothing has changed, " + next.error().text);
    if (const auto possible = can_become(configuration_, *next); !possible) return refused(possible.error().text);
    auto people = people_.resolve_again(*next);
    if (!people) return refused(people.error().text);
    topology::Topology topology = machine_.survey(*next);
    if (const auto fits = check_configuration(topology); !fits) return refused(fits.error().text);
    for (const topology::Finding& finding : topology.findings)
        if (finding.severity == topology::Severity::error && !is_among(finding, machine_.topology.findings))
            return refused(fmt::format("a start would end because of it: {}: {}", finding.origin.text, finding.text));
    SMMU_CHECK(containment_->replace_topology(std::move(topology), containment::Containment::Gone::refused));
    machine_.topology = containment_->topology();
    configuration_ = std::move(*next);
    people_ = std::move(*people);
    return {};
}

Result<void> Service::confirm() {
    if (!on_trial_) return fail(EINVAL, "the service is not on trial");
    on_trial_ = false;
    return {};
}

Result<void> Service::release_unit(std::string_view name) {
    const auto at = std::ranges::find(machine_.topology.units, name, &topology::Unit::name);
    if (at == machine_.topology.units.end()) return fail(ENOENT, fmt::format("no unit is named {}", name));
    const auto index = std::size_t(at - machine_.topology.units.begin());
    SMMU_CHECK(containment_->turn_off(UnitId(std::uint32_t(index))));
    outcomes_[index].programmed = false;
    outcomes_[index].released = true;
    return {};
}

std::vector<Error> Service::take_back() noexcept {
    std::vector<Error> problems;
    for (std::uint32_t i = 0; i < outcomes_.size(); ++i) {
        if (!outcomes_[i].programmed) continue;
        if (auto off = containment_->turn_off(UnitId(i)); !off) problems.push_back(std::move(off).error());
    }
    return problems;
}

bool Service::attentive() const {
    return containment_->has_objects() || waits_for_devices();
}

}  // namespace smmu::daemon

// SPDX-License-Identifier: Apache-2.0
#include "daemon/status.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "daemon/version.hpp"

namespace smmu::daemon {

namespace {

const char* text_of(units::Found found) {
    switch (found) {
        case units::Found::off: return "off";
        case units::Found::pass_through: return "pass-through";
        case units::Found::foreign: return "foreign";
        case units::Found::own: return "own";
    }
    return "";
}

const char* text_of(topology::Grant::Kind kind) {
    switch (kind) {
        case topology::Grant::Kind::reserved: return "reserved";
        case topology::Grant::Kind::startup: return "startup";
        case topology::Grant::Kind::doorbell: return "doorbell";
    }
    return "";
}

const char* text_of(containment::Containment::DeviceView::State state) {
    using State = containment::Containment::DeviceView::State;
    switch (state) {
        case State::contained: return "contained";
        case State::host: return "host";
        case State::blocked: return "blocked";
        case State::no_unit: return "behind no unit";
        case State::open: return "not contained";
        case State::gone: return "gone";
        case State::failed: return "failed";
    }
    return "";
}

report::Unit unit_of(const topology::Unit& described, const units::IommuUnit* driver) {
    report::Unit unit;
    unit.name = described.name;
    unit.kind = topology::name(described.kind);
    unit.registers = fmt::format("{:#x}-{:#x}", described.registers.first.value, described.registers.last.value);
    unit.origin = described.origin.text;
    unit.segment = described.segment;
    unit.state = "not programmed";
    if (driver == nullptr) return unit;
    const units::UnitReport said = driver->report();
    unit.state = driver->state() == units::UnitState::containing ? "contained"
                 : driver->state() == units::UnitState::failed   ? "failed"
                                                                 : "not programmed";
    unit.version = said.version;
    unit.mode = said.mode;
    unit.found = text_of(said.found);
    unit.interrupts_remapped = said.interrupts_remapped;
    unit.spaces = said.spaces;
    unit.spaces_possible = said.spaces_possible;
    unit.commands = said.commands;
    unit.flushes = said.flushes;
    for (const auto& [name, value] : said.registers) unit.register_values.push_back({name, value});
    return unit;
}

report::Stream stream_of(const topology::Topology& topology, const topology::Stream& stream) {
    const topology::Unit& unit = topology.unit(stream.unit);
    const topology::StreamName name = stream_name(unit, stream.id);
    return {unit.name, name.unit == unit.name ? "" : name.unit, name.number, stream.origin.text};
}

report::Device device_of(const topology::Topology& topology, const topology::Device& described,
                         const containment::Containment::DeviceView& view) {
    report::Device device;
    device.id = topology::to_string(described.id);
    device.qnx_id = topology::qnx_form(described.id);
    device.description = described.description;
    device.origin = described.origin.text;
    device.state = text_of(view.state);
    device.intent = described.host ? "host" : described.blocked ? "blocked" : "";
    device.is_bridge = described.is_bridge;
    device.secondary = described.secondary;
    device.subordinate = described.subordinate;
    device.group = raw(described.group);
    device.refused = view.refused;
    for (const topology::Stream& stream : described.streams)
        device.streams.push_back(stream_of(topology, stream));
    for (const PhysRange& range : described.registers)
        device.registers.push_back({range.first.value, range.last.value});
    for (const topology::Grant& grant : described.grants)
        device.grants.push_back({text_of(grant.kind), grant.range.first.value, grant.range.last.value,
                                 letters(grant.access), grant.honoured, grant.origin.text});
    if (view.object)
        device.owner = {view.owner_pid, view.owner_uid, view.owner_command, raw(*view.object)};
    return device;
}

// A document is written in one turn, and anybody may ask for it.
constexpr std::size_t most_mappings_shown = 16384;

// `room`: how many mappings the document still takes.
report::Object object_of(const topology::Topology& topology, const containment::Containment::ObjectView& view,
                         std::size_t& room) {
    report::Object object;
    object.id = raw(view.id);
    object.owner = {view.owner_pid, view.owner_uid, view.owner_command, raw(view.id)};
    object.exposed_by_rounding = view.exposed_by_rounding;
    object.table_frames = view.table_frames;
    for (const DeviceIndex device : view.devices)
        object.devices.push_back(topology::to_string(topology.device(device).id));
    const std::size_t shown = std::min(view.grants.size(), room);
    for (const auto& grant : std::span(view.grants).first(shown))
        object.mappings.push_back({grant.range.first.value, grant.range.last.value, grant.physical.value,
                                   letters(grant.access), grant.by_fd});
    object.mappings_left_out = view.grants.size() - shown;
    room -= shown;
    return object;
}

report::Event event_of(const topology::Topology& topology, const containment::Transgression& from) {
    report::Event event;
    event.sequence = from.sequence;
    event.time_us = std::uint64_t(from.time.time_since_epoch().count()) / 1000;
    const topology::StreamName name = stream_name(topology.unit(from.unit), from.stream);
    event.unit = from.stream_known ? name.unit : topology.unit(from.unit).name;
    event.device = from.device ? topology::to_string(topology.device(*from.device).id) : "-";
    event.access = letters(from.access);
    event.cause = containment::name(from.cause);
    event.stream = from.stream_known ? name.number : 0;
    event.stream_known = from.stream_known;
    event.address = from.address.value;
    event.address_known = from.address_known;
    event.count = from.count;
    event.since_removal_us = std::uint64_t(from.since_removal.count()) / 1000;
    event.owner = {from.owner_pid, from.owner_uid, "", raw(from.owner_object)};
    event.raw.assign(from.raw.begin(), from.raw.end());
    return event;
}

void fill_machine(report::Status& status, const topology::Topology& topology) {
    for (const topology::Finding& finding : topology.findings)
        status.findings.push_back({finding.id, std::string(name(finding.severity)), finding.origin.text, finding.text});
    for (std::uint32_t i = 0; i < topology.groups.size(); ++i)
        status.groups.push_back({i, topology.groups[i].reason});
    for (const topology::Protected& part : topology.protected_memory)
        status.protected_memory.push_back({part.range.first.value, part.range.last.value, part.what});
    for (const topology::Superseded& lost : topology.superseded) {
        const auto* device = std::get_if<topology::DeviceId>(&lost.subject);
        const auto* unit = std::get_if<UnitId>(&lost.subject);
        status.superseded.push_back({device != nullptr ? topology::to_string(*device) : "",
                                     unit != nullptr ? topology.unit(*unit).name : "", lost.fact, lost.origin.text, lost.by.text});
    }
}

}  // namespace

void fill(report::Status& status, const containment::Containment& containment, const containment::Identity& reader) {
    const topology::Topology& topology = containment.topology();
    status.version = version;
    status.transgressions = containment.refusals_seen();
    for (const auto& episode : containment.loss_episodes()) status.lost_by_hardware += episode.at_least;

    status.interrupts_forgeable = false;
    for (std::uint32_t i = 0; i < topology.units.size(); ++i) {
        status.units.push_back(unit_of(topology.units[i], containment.unit(UnitId(i))));
        status.interrupts_forgeable |= !status.units.back().interrupts_remapped;
    }
    for (std::uint32_t i = 0; i < topology.devices.size(); ++i)
        status.devices.push_back(device_of(topology, topology.devices[i], containment.view(DeviceIndex(i))));
    std::size_t room = most_mappings_shown;
    for (const auto& object : containment.objects()) status.objects.push_back(object_of(topology, object, room));
    for (const auto& refusal : containment.recent_transgressions())
        if (reader.abilities.monitor || (refusal.owner_pid != 0 && refusal.owner_uid == reader.uid))
            status.refusals.push_back(event_of(topology, refusal));
    fill_machine(status, topology);
}

}  // namespace smmu::daemon

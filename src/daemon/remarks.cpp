// SPDX-License-Identifier: Apache-2.0
// What the service says of its start, line by line.
#include <fmt/format.h>

#include <algorithm>

#include "daemon/service.hpp"

namespace smmu::daemon {

namespace {

using topology::Device;
using topology::Severity;
using Lines = std::vector<std::string>;

double milliseconds(Nanoseconds time) { return double(time.count()) / 1e6; }

// Startup and reserved memory that a device's unit cannot address: that part stays closed.
void add_unreachable(Lines& lines, const Device& device, const topology::Unit& unit, const units::Capabilities& can) {
    const unsigned bits = std::min(can.input_bits, can.output_bits);
    if (bits >= 64) return;
    for (const topology::Grant& grant : device.grants)
        if (grant.honoured && grant.range.last.value >> bits != 0)
            lines.push_back(fmt::format("{}: {:#x}-{:#x} of {} reaches beyond the {} address bits of {}; that part stays closed",
                                        grant.origin.text, grant.range.first.value, grant.range.last.value,
                                        topology::to_string(device.id), bits, unit.name));
}

}  // namespace

std::vector<std::string> Service::remarks(unsigned debug) const {
    Lines lines;
    for (const topology::Finding& finding : machine_.topology.findings)
        if (debug > 0 || finding.severity != Severity::note)
            lines.push_back(fmt::format("{}: {} [{}]", finding.origin.text, finding.text, finding.id));
    for (std::size_t i = 0; i < outcomes_.size(); ++i)
        if (outcomes_[i].programmed) add_unit(lines, machine_.topology.units[i], outcomes_[i], debug);
    for (const Device& device : machine_.topology.devices)
        for (const topology::Stream& stream : device.streams)
            if (const UnitOutcome& outcome = outcomes_[raw(stream.unit)]; outcome.programmed)
                add_unreachable(lines, device, machine_.topology.unit(stream.unit), outcome.driver->capabilities());
    const auto repeated = std::ranges::unique(lines);  // a device may have several streams on one unit
    lines.erase(repeated.begin(), repeated.end());
    if (configuration_.safety.value == config::Safety::warn) add_outside_safety(lines);
    if (debug > 1) add_streams(lines);
    return lines;
}

void Service::add_unit(Lines& lines, const topology::Unit& unit, const UnitOutcome& outcome, unsigned debug) const {
    const units::UnitReport report = outcome.driver->report();
    lines.push_back(fmt::format("{}: contained in {:.1f} ms, assigned streams refused for {} us; interrupts: {}", unit.name,
                                milliseconds(outcome.take_over.took), outcome.take_over.pause.count() / 1000,
                                report.interrupts_remapped ? "remapped" : "forgeable"));
    if (outcome.driver->capabilities().write_implies_read && configuration_.widen.value == config::Widen::allow)
        lines.push_back(fmt::format("{}: it cannot say write without read, so a grant to write also reads (`widen refuse` "
                                    "refuses such grants)", unit.name));
    if (unit.unknown_streams_pass)
        lines.push_back(fmt::format("{}: containment void for streams that no known device has: they pass, as configured", unit.name));
    if (debug > 0) lines.push_back(fmt::format("{}: {}", unit.name, report.mode));
}

// What smmu_safety(3) counts against a system, one line each.
void Service::add_outside_safety(Lines& lines) const {
    const auto outside = [&](std::string text) { lines.push_back("outside the safety set: " + std::move(text)); };
    for (std::size_t i = 0; i < outcomes_.size(); ++i) {
        const std::string& name = machine_.topology.units[i].name;
        if (!outcomes_[i].programmed)
            outside(name + " is not programmed");
        else if (!outcomes_[i].driver->report().interrupts_remapped)
            outside(fmt::format("behind {} devices can forge interrupts", name));
    }
    for (const Device& device : machine_.topology.devices) {
        if (device.host) outside(to_string(device.id) + " is driven by the host");
        if (device.streams.empty() && !device.is_bridge) outside(to_string(device.id) + " is behind no unit");
    }
}

void Service::add_streams(Lines& lines) const {
    for (const Device& device : machine_.topology.devices) {
        std::string line = topology::to_string(device.id);
        for (const topology::Stream& stream : device.streams)
            line += ' ' + stream_text(machine_.topology.unit(stream.unit), stream.id) + ';';
        lines.push_back(std::move(line));
    }
}

}  // namespace smmu::daemon

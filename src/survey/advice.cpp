// SPDX-License-Identifier: Apache-2.0
#include "survey/advice.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "config/lines.hpp"
#include "survey/driven.hpp"

namespace smmu::survey {
namespace {

using topology::Device;
using topology::Finding;
using topology::Grant;
using topology::Severity;
using topology::Topology;
using topology::Unit;
using topology::UnitKind;

std::string_view vtd_line(config::TablePolicy policy) {
    switch (policy) {
        case config::TablePolicy::require: return "smmu vtd require\n";
        case config::TablePolicy::ignore: return "smmu vtd ignore\n";
        case config::TablePolicy::if_present: break;
    }
    return "smmu vtd\n";
}

// Interrupts are polled for; the words want their numbers all the same.
std::string main_line(const Unit& unit, const config::Configuration& configuration) {
    config::IpmmuMain main{unit.registers.first, 0, 0, unit.chips};
    for (const config::SupportModule& module : configuration.modules)
        if (module.main && module.main->base == main.base) main = *module.main;
    std::string text = fmt::format("smmu rcar3 {:#x},{},{}", main.base.value, main.fault_interrupt, main.fault_bit);
    for (const topology::Chip& chip : main.chips) text += fmt::format(",{:#x}.{:#x}", chip.product, chip.cut);
    return text + '\n';
}

bool has_units(const Topology& topology, UnitKind kind) {
    return std::ranges::find(topology.units, kind, &Unit::kind) != topology.units.end();
}

std::string support_lines(const Topology& topology, const config::Configuration& configuration) {
    std::string text;
    if (has_units(topology, UnitKind::vtd)) text += vtd_line(configuration.vtd_tables());
    if (has_units(topology, UnitKind::smmuv3)) text += "smmu armsmmuv3\n";
    if (has_units(topology, UnitKind::smmuv2)) text += "smmu armsmmu\n";
    if (has_units(topology, UnitKind::vfio)) text += "smmu vfio\n";
    for (const Unit& unit : topology.units)
        if (unit.kind == UnitKind::ipmmu) text += main_line(unit, configuration);
    return text;
}

// Behind the smmu word that says its kind, whatever came before.
std::string unit_line(const Unit& unit, const config::UnitEntry& said) {
    const bool v2 = unit.kind == UnitKind::smmuv2;
    if (v2 || unit.kind == UnitKind::smmuv3) {
        std::string text = fmt::format("smmu {}\nunit {} {:#x},0,0,{:d}", v2 ? "armsmmu" : "armsmmuv3", unit.name,
                                       unit.registers.first.value, said.bypass);
        for (std::size_t i = 0; i < said.reserved_streams.size(); ++i)
            text += fmt::format("{}{}", i == 0 ? ',' : ':', said.reserved_streams[i]);
        if (said.reserved_streams.empty() && !said.board_library.empty()) text += ',';
        return text + (said.board_library.empty() ? "" : "," + said.board_library) + '\n';
    }
    return fmt::format("smmu {}\nunit {} {:#x}\n", topology::name(unit.kind), unit.name, unit.registers.first.value);
}

std::string cache_line(const Unit& main, const topology::CacheUnit& cache, const config::Configuration& configuration) {
    std::string text = fmt::format("# {}: cache unit, registers {:#x}-{:#x}, from {}\n", cache.name, cache.registers.first.value,
                                   cache.registers.last.value, cache.origin.text);
    if (configuration.find_unit(cache.name) != nullptr)
        text += main_line(main, configuration) +
                fmt::format("unit {} {:#x},{}\n", cache.name, cache.registers.first.value, cache.status_bit.value_or(0));
    return text;
}

std::string unit_lines(const Topology& topology, const config::Configuration& configuration) {
    std::string text;
    for (const Unit& unit : topology.units) {
        text += fmt::format("# {}: {}, registers {:#x}-{:#x}, segment {:04x}, from {}{}\n", unit.name, topology::name(unit.kind),
                            unit.registers.first.value, unit.registers.last.value, unit.segment, unit.origin.text,
                            unit.answers ? "" : "; nothing answers there");
        if (const auto* said = configuration.find_unit(unit.name); is_driven(unit.kind) && said != nullptr)
            text += unit_line(unit, *said);
        for (const topology::CacheUnit& cache : unit.caches) text += cache_line(unit, cache, configuration);
    }
    return text;
}

bool is_behind_a_driven_unit(const Topology& topology, const Device& device) {
    return !device.streams.empty() && std::ranges::all_of(device.streams, [&](const topology::Stream& stream) {
        return is_driven(topology.unit(stream.unit).kind);
    });
}

// Units by name, with the stream where the PCI address does not say it, and the memory that firmware reserves for it where that is honoured.
std::vector<std::string> clauses_of(const Topology& topology, const Device& device) {
    std::vector<std::string> clauses;
    std::set<std::uint32_t> units;
    for (const topology::Stream& stream : device.streams) {
        const Unit& unit = topology.unit(stream.unit);
        if (unit.kind == UnitKind::vfio) continue;
        const topology::StreamName name = stream_name(unit, stream.id);
        if (!knows_requesters(unit.kind))
            clauses.push_back(fmt::format("use {} {:#x}", name.unit, name.number));
        else if (units.insert(raw(stream.unit)).second)
            clauses.push_back("use " + unit.name);
    }
    for (const Grant& grant : device.grants)
        if (grant.kind == Grant::Kind::reserved && grant.honoured)
            clauses.push_back("reserved " + config::window_text(grant.range, grant.access));
    if (device.host) clauses.emplace_back("host");
    if (device.blocked) clauses.emplace_back("blocked");
    return clauses;
}

// No line opens protected memory, so none is advised.
std::string closed_line(const Topology& topology, const Device& device, const Grant& grant) {
    const bool is_protected = std::ranges::any_of(topology.protected_memory,
                                                  [&](const topology::Protected& part) { return part.range.overlaps(grant.range); });
    const std::string window = config::window_text(grant.range, grant.access);
    if (is_protected)
        return fmt::format("# {}: its reserved region {} ({}) is protected memory and stays blocked\n", to_string(device.id), window,
                           grant.origin.text);
    return fmt::format("# {}: stays blocked unless this is added to its line: reserved {} ({})\n", to_string(device.id), window,
                       grant.origin.text);
}

std::string device_lines(const Topology& topology, const Device& device) {
    std::string text;
    for (const Grant& grant : device.grants)
        if (grant.kind == Grant::Kind::reserved && !grant.honoured) text += closed_line(topology, device, grant);
    if (device.streams.empty())
        return text + fmt::format("# {} is behind no unit and cannot be contained: {}\n", to_string(device.id), device.description);
    if (!is_behind_a_driven_unit(topology, device))
        return text + fmt::format("# {} is behind a unit that this build does not drive: {}\n", to_string(device.id),
                                  device.description);
    // The kernel knows which way it goes.
    if (topology.unit(device.streams.front().unit).kind == UnitKind::vfio && !device.blocked)
        return text + fmt::format("# {} needs no line: {}, {}\n", to_string(device.id), device.description, device.streams.front().origin.text);
    const std::string comment = device.description.empty() ? "" : "  # " + device.description;
    return text + config::device_line(device.id, clauses_of(topology, device)) + comment + '\n';
}

}  // namespace

Verdict verdict(const Topology& topology) {
    const auto holds = [&](Severity severity) {
        return std::ranges::any_of(topology.findings, [&](const Finding& finding) { return finding.severity == severity; });
    };
    if (holds(Severity::error)) return Verdict::errors;
    return holds(Severity::warning) ? Verdict::warnings : Verdict::clean;
}

std::string findings_text(const Topology& topology) {
    std::string text;
    for (const Severity severity : {Severity::error, Severity::warning, Severity::note})
        for (const Finding& finding : topology.findings)
            if (finding.severity == severity)
                text += fmt::format("# {} {} {}: {}\n", name(severity), finding.id, finding.origin.text, finding.text);
    return text;
}

std::string paste_ready(const Topology& topology, const config::Configuration& configuration) {
    std::string text = support_lines(topology, configuration) + unit_lines(topology, configuration);
    for (const Device& device : topology.devices)
        if (!device.is_bridge) text += device_lines(topology, device);
    return text;
}

}  // namespace smmu::survey

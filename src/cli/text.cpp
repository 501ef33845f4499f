// SPDX-License-Identifier: Apache-2.0
#include "cli/text.hpp"

#include <fmt/format.h>

#include <set>

#include "cli/phrases.hpp"
#include "cli/table.hpp"

namespace smmu::cli {

namespace {

std::string coloured(const std::string& text, const char* code, Style style) {
    return style.colour ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : text;
}

// "1234:11e8 00ff00": the word "class" is one too many in a table.
std::string short_description(const report::Device& device) {
    constexpr std::string_view word = " class";
    std::string text = device.description;
    if (const auto at = text.find(word); at != std::string::npos) text.erase(at, word.size());
    return cut(text, 20);
}

// "U0:0018 U0:0020 +2": units by their numbers, which stand below the table.
std::string streams_text(const report::Status& status, const report::Device& device) {
    constexpr std::size_t shown = 2;
    std::string text;
    for (std::size_t i = 0; i < device.streams.size() && i < shown; ++i)
        text += fmt::format("{}U{}:{}", i == 0 ? "" : " ", unit_index(status, device.streams[i].unit),
                            stream_number(device.streams[i]));
    if (device.streams.size() > shown) text += fmt::format(" +{}", device.streams.size() - shown);
    return text.empty() ? "-" : text;
}

}  // namespace

std::string status_text(const report::Status& status, Style style) {
    std::string text = coloured(report::headline(status), report::all_contained(status) ? "32" : "31", style) + '\n';
    text += fmt::format("smmuman {} on {} · contained after {:.1f} ms · interrupts {} · tables {} of {} KiB\n",
                        status.version, status.platform, double(status.start_us) / 1000.0,
                        status.interrupts_forgeable ? "forgeable" : "remapped", status.table_bytes_used >> 10,
                        status.table_bytes >> 10);
    text += counted(status.transgressions, "transgression", "transgressions") + " recorded";
    if (status.lost_by_hardware != 0) text += fmt::format(", at least {} more lost by hardware", status.lost_by_hardware);
    text += status.transgressions == 0 ? "\n" : " (smmuctl suggest: what would allow the last of them)\n";
    std::uint64_t by_address = 0;
    std::set<std::int64_t> clients;  // by process
    for (const report::Object& object : status.objects) {
        clients.insert(object.owner.pid);
        for (const report::Mapping& mapping : object.mappings) by_address += mapping.by_fd ? 0 : 1;
    }
    text += fmt::format("{}, {} by address", counted(status.objects.size(), "object", "objects"), counted(by_address, "grant", "grants"));
    if (!clients.empty()) text += fmt::format("; a restart of the service cuts {} off", counted(clients.size(), "client", "clients"));
    text += '\n';
    for (const report::Finding& finding : status.findings)
        text += fmt::format("{}: {} [{}] {}\n", coloured(finding.severity, finding.severity == "error" ? "31" : "33", style),
                            finding.origin, finding.id, finding.text);
    return text;
}

std::string units_text(const report::Status& status, Style style) {
    Table table({"UNIT", "STATE", "FOUND", "MODE", "TOOK", "PAUSE", "SPACES", "ORIGIN"});
    for (const report::Unit& unit : status.units)
        table.add({unit.name, unit.state, unit.found, unit.mode, fmt::format("{} µs", unit.take_over_us),
                   fmt::format("{} µs", unit.pause_us), fmt::format("{}/{}", unit.spaces, unit.spaces_possible),
                   unit.origin});
    std::string text = table.text();
    for (const report::Unit& unit : status.units)
        if (!unit.problem.empty()) text += coloured(fmt::format("{}: {}", unit.name, unit.problem), "31", style) + '\n';
    return text;
}

std::string registers_text(const report::Status& status, Style style) {
    std::string text = units_text(status, style);
    for (const report::Unit& unit : status.units)
        for (const report::NamedValue& value : unit.register_values)
            text += fmt::format("{}  {:<12} {:#x}\n", unit.name, value.name, value.value);
    return text;
}

std::string devices_text(const report::Status& status, Style) {
    Table table({"DEVICE", "QNX FORM", "STATE", "GRP", "STREAMS", "REFUSED", "OWNER", "WHAT"});
    for (const report::Device& device : status.devices)
        table.add({device.id, device.qnx_id == device.id ? "-" : device.qnx_id, device.state,
                   fmt::format("{}", device.group), streams_text(status, device), fmt::format("{}", device.refused),
                   cut(owner_text(device.owner), 32), short_description(device)});
    std::string text = table.text();
    for (std::size_t i = 0; i < status.units.size(); ++i) text += fmt::format("U{} is {}\n", i, status.units[i].name);
    return text;
}

std::string objects_text(const report::Status& status, Style) {
    if (status.objects.empty()) return "no objects: no client owns a device\n";
    Table table({"OBJECT", "OWNER", "UID", "GRANTS", "BYTES", "BY ADDRESS", "TABLES", "BY ROUNDING", "DEVICES"});
    for (const report::Object& object : status.objects) {
        std::string devices;
        for (const std::string& device : object.devices) devices += (devices.empty() ? "" : " ") + device;
        std::uint64_t bytes = 0, by_address = 0;
        for (const report::Mapping& mapping : object.mappings) {
            bytes += mapping.last - mapping.first + 1;
            by_address += mapping.by_fd ? 0 : 1;
        }
        table.add({fmt::format("{}", object.id), cut(fmt::format("{} (pid {})", object.owner.command, object.owner.pid), 28),
                   fmt::format("{}", object.owner.uid), fmt::format("{}", object.mappings.size()), report::amount(bytes),
                   fmt::format("{}", by_address), report::amount(object.table_frames * 4096),
                   exact_amount(object.exposed_by_rounding), devices.empty() ? "-" : devices});
    }
    return table.text();
}

std::string mappings_text(const report::Status& status, Style) {
    Table table({"OBJECT", "DEVICE ADDRESSES", "PHYSICAL", "ACCESS", "BY"});
    for (const report::Object& object : status.objects)
        for (const report::Mapping& mapping : object.mappings)
            table.add({fmt::format("{}", object.id), range_text(mapping.first, mapping.last),
                       mapping.physical == mapping.first ? "same" : fmt::format("{:#x}", mapping.physical), mapping.access,
                       mapping.by_fd ? "fd" : "address"});
    std::string text = table.text();
    for (const report::Object& object : status.objects)
        text += fmt::format("object {} of {} (pid {}): {} beside its grants are open because units open whole pages\n", object.id,
                            object.owner.command, object.owner.pid, exact_amount(object.exposed_by_rounding));
    return text;
}

}  // namespace smmu::cli

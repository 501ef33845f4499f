// SPDX-License-Identifier: Apache-2.0
#include "cli/table_listing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "cli/iort_listing.hpp"
#include "cli/madt_listing.hpp"
#include "cli/table.hpp"
#include "firmware/dmar.hpp"
#include "firmware/mcfg.hpp"

namespace smmu::cli {
namespace {

using firmware::DeviceScope;
using firmware::ScopeType;
using report::TableListing;

// Tables that describe IOMMUs of kinds which this build cannot read.
constexpr std::string_view unread[] = {"IVRS", "RIMT", "VIOT", "dtb"};

// Tables that a machine has once.
constexpr std::string_view once[] = {"DMAR", "IORT", "APIC"};

const char* text_of(ScopeType type) {
    switch (type) {
        case ScopeType::endpoint: return "endpoint";
        case ScopeType::bridge: return "bridge";
        case ScopeType::io_apic: return "ioapic";
        case ScopeType::hpet: return "hpet";
        case ScopeType::name_space: return "namespace";
    }
    return "unknown";
}

class Lister {
public:
    TableListing take() { return std::move(listing_); }

    void add(const platform::RawTable& table) {
        const bool repeated = !seen_.insert(table.name).second;
        if (table.name == "MCFG")
            add_mcfg(table);
        else if (repeated && std::ranges::find(once, table.name) != std::end(once))
            say("table-repeated", table.origin, fmt::format("A machine has one {}; only the first counts.", table.name));
        else if (table.name == "DMAR")
            add_dmar(table);
        else if (table.name == "IORT")
            list(firmware::parse_iort(table.bytes), "iort-refused", table.origin, list_iort);
        else if (table.name == "APIC")
            list(firmware::parse_madt(table.bytes), "madt-refused", table.origin, list_madt);
        else if (std::ranges::find(unread, table.name) != std::end(unread))
            say("table-not-read", table.origin, fmt::format("This build does not read {} tables.", table.name));
    }

private:
    void say(const std::string& id, const std::string& origin, std::string text, std::string_view severity = "warning") {
        listing_.findings.push_back({id, std::string(severity), origin, std::move(text)});
    }
    void copy(const std::vector<topology::Finding>& findings) {
        for (const topology::Finding& finding : findings)
            say(finding.id, finding.origin.text, finding.text, name(finding.severity));
    }
    template <class Facts>
    void list(const Result<Facts>& facts, const char* refused, const std::string& origin, void (*enter)(const Facts&, TableListing&)) {
        if (!facts) return say(refused, origin, facts.error().text, "error");
        copy(facts->findings);
        enter(*facts, listing_);
    }
    void add_dmar(const platform::RawTable& table);
    void add_mcfg(const platform::RawTable& table);
    void add_unit(const firmware::Drhd& drhd);
    std::optional<std::string> id_of(std::uint16_t segment, const DeviceScope& scope) const;
    std::string path_of(std::uint16_t segment, const DeviceScope& scope) const;

    TableListing listing_;
    std::set<std::string> seen_;
    std::vector<firmware::Andd> names_;
};

// Only the first bus of a path is written in the table: what lies behind a bridge is on a bus that its machine numbers.
std::optional<std::string> Lister::id_of(std::uint16_t segment, const DeviceScope& scope) const {
    if (scope.path.size() != 1) return std::nullopt;
    return to_string(topology::PciAddress{segment, scope.start_bus, scope.path[0].device, scope.path[0].function});
}

std::string Lister::path_of(std::uint16_t segment, const DeviceScope& scope) const {
    if (scope.type == ScopeType::name_space) {
        const auto name = std::ranges::find(names_, scope.enumeration_id, &firmware::Andd::device_number);
        if (name != names_.end()) return name->path;
    }
    std::string path = fmt::format("{:04x}:{:02x}", segment, scope.start_bus);
    for (const firmware::PathHop& hop : scope.path) path += fmt::format(" {:02x}.{}", hop.device, hop.function);
    return path;
}

void Lister::add_unit(const firmware::Drhd& drhd) {
    const std::string name = fmt::format("vtd@{:x}", drhd.registers.first.value);
    listing_.units.push_back({"vtd", drhd.registers.first.value, drhd.registers.length(), drhd.segment, true, drhd.include_all,
                              drhd.origin.text});
    for (const DeviceScope& scope : drhd.scopes) {
        report::ListedDevice device{id_of(drhd.segment, scope), path_of(drhd.segment, scope), text_of(scope.type), {},
                                    scope.origin.text};
        if (scope.path.size() == 1) {
            const std::uint32_t stream = std::uint32_t{scope.start_bus} << 8 | std::uint32_t{scope.path[0].device} << 3 |
                                         scope.path[0].function;
            device.streams.push_back({name, stream, stream});
        }
        listing_.devices.push_back(std::move(device));
    }
}

void Lister::add_dmar(const platform::RawTable& table) {
    const auto dmar = firmware::parse_dmar(table.bytes);
    if (!dmar) return say("dmar-refused", table.origin, dmar.error().text, "error");
    copy(dmar->findings);
    names_ = dmar->names;
    for (const firmware::Drhd& drhd : dmar->units) add_unit(drhd);
    for (const firmware::Rmrr& region : dmar->reserved) {
        report::ListedReserved listed{region.range.first.value, region.range.last.value, {}, region.origin.text};
        for (const DeviceScope& scope : region.scopes)
            listed.devices.push_back(id_of(region.segment, scope).value_or(path_of(region.segment, scope)));
        listing_.reserved.push_back(std::move(listed));
    }
}

void Lister::add_mcfg(const platform::RawTable& table) {
    const auto mcfg = firmware::parse_mcfg(table.bytes);
    if (!mcfg) return say("mcfg-refused", table.origin, mcfg.error().text, "error");
    copy(mcfg->findings);
    for (const firmware::ConfigWindow& window : mcfg->windows)
        listing_.windows.push_back({window.segment, window.first_bus, window.last_bus, window.base.value, window.origin.text});
}

std::string streams_text(const report::ListedDevice& device) {
    std::string text;
    for (const report::ListedStream& stream : device.streams) text += stream_text(stream) + ' ';
    if (text.empty() && device.type == "requesters") return "pass no unit";
    return text.empty() ? "known to its machine only" : text;
}

}  // namespace

TableListing list_tables(std::span<const platform::RawTable> tables) {
    Lister lister;
    for (const platform::RawTable& table : tables) lister.add(table);
    return lister.take();
}

std::string listing_text(const TableListing& listing) {
    std::string text;
    const auto add = [&](const Table& table, std::size_t rows) {
        if (rows != 0) text += table.text() + '\n';
    };
    Table units({"UNIT", "REGISTERS", "SEGMENT", "TAKES", "ORIGIN"});
    for (const report::ListedUnit& unit : listing.units)
        units.add({fmt::format("{}@{:x}", unit.kind, unit.registers),
                   fmt::format("{:#x}-{}", unit.registers,
                               unit.register_bytes != 0 ? fmt::format("{:#x}", unit.registers + (unit.register_bytes - 1)) : "?"),
                   fmt::format("{:04x}", unit.segment), unit.takes_the_rest ? "all that no other names" : "what it names",
                   unit.origin});
    add(units, listing.units.size());
    Table devices({"DEVICE", "TYPE", "PATH", "STREAMS", "ORIGIN"});
    for (const report::ListedDevice& device : listing.devices)
        devices.add({device.id.value_or("-"), device.type, device.path, streams_text(device), device.origin});
    add(devices, listing.devices.size());
    Table reserved({"RESERVED MEMORY", "DEVICES", "ORIGIN"});
    for (const report::ListedReserved& region : listing.reserved)
        reserved.add({fmt::format("{:#x}-{:#x}", region.first, region.last), fmt::format("{}", fmt::join(region.devices, " ")),
                      region.origin});
    add(reserved, listing.reserved.size());
    Table windows({"CONFIGURATION SPACE", "SEGMENT", "BUSES", "ORIGIN"});
    for (const report::ListedWindow& window : listing.windows)
        windows.add({fmt::format("{:#x}", window.base), fmt::format("{:04x}", window.segment),
                     fmt::format("{:02x}-{:02x}", window.first_bus, window.last_bus), window.origin});
    add(windows, listing.windows.size());
    Table frames({"REGISTERS", "RANGE", "DEVICES", "ORIGIN"});
    for (const report::ListedFrame& frame : listing.frames)
        frames.add({frame.what, fmt::format("{:#x}-{:#x}", frame.first, frame.last),
                    frame.doorbell ? "raise interrupts there" : "may not reach it", frame.origin});
    add(frames, listing.frames.size());
    for (const report::Finding& finding : listing.findings)
        text += fmt::format("{} {} {}: {}\n", finding.severity, finding.id, finding.origin, finding.text);
    return text;
}

}  // namespace smmu::cli

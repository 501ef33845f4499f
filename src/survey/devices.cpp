// SPDX-License-Identifier: Apache-2.0
// Devices: which there are, and under which streams their DMA arrives.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "survey/draft.hpp"
#include "survey/driven.hpp"
#include "survey/requester_ids.hpp"

namespace smmu::survey {

using config::DeviceEntry;
using config::UseClause;
using topology::Device;
using topology::PciAddress;
using topology::PciFunction;
using topology::Severity;
using topology::Stream;
using topology::UnitKind;

namespace {

void add_new(std::vector<Stream>& streams, const Stream& stream) {
    if (std::ranges::find(streams, stream) == streams.end()) streams.push_back(stream);
}

std::set<std::uint32_t> ids_on(const std::vector<Stream>& streams, UnitId unit) {
    std::set<std::uint32_t> ids;
    for (const Stream& stream : streams)
        if (stream.unit == unit) ids.insert(raw(stream.id));
    return ids;
}

}  // namespace

void Draft::list_devices() {
    add_pci_devices();
    add_named_devices();
    add_tree_devices();
    add_components();
    add_user_devices();
    std::ranges::sort(topology_.devices, {}, &Device::id);
    for (Device& device : topology_.devices) give_streams(device);
    settle_components();
}

void Draft::add_pci_devices() {
    for (const PciFunction& function : input_.pci.functions) {
        Device device;
        device.id = function.address;
        device.description = fmt::format("{:04x}:{:04x} class {:06x}", function.vendor,
                                         function.device, function.class_code);
        device.registers = function.registers;
        device.interrupts_by_message = function.message_interrupts;
        device.is_bridge = does_no_dma(function);
        device.secondary = function.secondary;
        device.subordinate = function.subordinate;
        device.origin = {"PCI " + to_string(function.address)};
        topology_.devices.push_back(std::move(device));
    }
}

// Devices that firmware has hidden from PCI and that only the ACPI name space knows. Their DMA
// carries the id that the scope gives.
void Draft::add_named_devices() {
    if (!dmar_) return;
    std::set<PciAddress> known;
    for (const PciFunction& function : input_.pci.functions) known.insert(function.address);
    for (const firmware::Drhd& drhd : dmar_->units)
        for (const firmware::DeviceScope& scope : drhd.scopes) {
            if (scope.type != firmware::ScopeType::name_space) continue;
            const auto address = resolve(input_.pci, drhd.segment, scope);
            if (!address || !known.insert(*address).second) continue;
            const auto name = std::ranges::find(dmar_->names, scope.enumeration_id,
                                                &firmware::Andd::device_number);
            Device device;
            device.id = *address;
            device.description = name != dmar_->names.end() ? "ACPI " + name->path : "ACPI device";
            device.origin = scope.origin;
            topology_.devices.push_back(std::move(device));
        }
}

void Draft::add_user_devices() {
    std::set<topology::DeviceId> known;
    for (const Device& device : topology_.devices) known.insert(device.id);
    for (const DeviceEntry& entry : user_.devices) {
        if (!known.insert(entry.id).second) continue;
        Device device;
        device.id = entry.id;
        device.origin = entry.origin;
        if (const auto* block = std::get_if<topology::MmioBlock>(&entry.id)) {
            if (const auto range = PhysRange::from_length(block->base, block->length))
                device.registers.push_back(*range);
        } else if (!input_.pci.functions.empty()) {
            finding("device-not-present", Severity::warning, entry.origin,
                    fmt::format(
                        "{} does not answer; its line is kept for the case that it appears later.",
                        to_string(entry.id)));
        }
        topology_.devices.push_back(std::move(device));
    }
}

void Draft::give_streams(Device& device) {
    std::vector<Stream> board = board_streams(device);
    const DeviceEntry* entry = user_.find_device(device.id);
    if (entry == nullptr) {
        device.streams = std::move(board);
        return;
    }
    device.host = entry->host.has_value();
    device.blocked = entry->blocked.has_value();
    if (entry->uses.empty()) {
        device.streams = std::move(board);
        return;
    }
    combine_streams(device, std::move(board), user_streams(device, *entry));
}

// Streams that are the system's: nobody is given a device that has one. What it must reach can be said as reserved.
void Draft::withhold_reserved_streams() {
    for (Device& device : topology_.devices)
        for (const Stream& stream : device.streams) {
            const topology::Unit& unit = topology_.unit(stream.unit);
            if (std::ranges::find(unit.reserved_streams, stream.id) == unit.reserved_streams.end()) continue;
            device.blocked = true;
            finding("stream-reserved", Severity::note, unit.origin,
                    fmt::format("{} has {}, which is reserved for the system: no client is given the device, and it reaches nothing but "
                                "what a `reserved` clause of its line says.", to_string(device.id), stream_text(unit, stream.id)));
        }
}

std::vector<Stream> Draft::board_streams(const Device& device) const {
    if (tree_) return tree_streams(device);
    std::vector<Stream> streams;
    if (const auto* name = std::get_if<topology::AcpiName>(&device.id)) return component_streams(*name);
    const auto* address = std::get_if<PciAddress>(&device.id);
    if (address == nullptr) return streams;
    if (iort_) return mapped_streams(*address);
    if (!scopes_) return streams;
    const auto match = scopes_->unit_of(*address);
    if (!match) return streams;
    for (const RequesterId& id : requester_ids(input_.pci, *address))
        streams.push_back(
            {match->unit, id.id, {fmt::format("{}, {}", match->origin.text, id.origin.text)}});
    return streams;
}

// By way of the root complex: every id that the function's DMA may carry, as the id that its unit sees. One of them that goes
// around every unit makes the device one that cannot be contained.
std::vector<Stream> Draft::mapped_streams(const PciAddress& address) const {
    std::vector<Stream> streams;
    for (const RequesterId& id : requester_ids(input_.pci, address)) {
        const auto mapped = iort_->streams_of(address.segment, id.id);
        if (mapped.empty()) return {};
        for (const firmware::IortStream& found : mapped)
            add_new(streams, {smmu_units_.at(found.smmu), found.id,
                              {fmt::format("{}, {}", found.origin.text, id.origin.text)}});
    }
    return streams;
}

std::vector<Stream> Draft::user_streams(const Device& device, const DeviceEntry& entry) {
    std::vector<Stream> streams;
    for (const UseClause& use : entry.uses)
        for (const Stream& stream : streams_of(device, use)) add_new(streams, stream);
    return streams;
}

// Micro-TLB 0 of the cache unit of an IPMMU that has this name.
std::optional<Stream> Draft::first_micro_tlb(std::string_view name) const {
    for (std::size_t u = 0; u < topology_.units.size(); ++u) {
        const auto& caches = topology_.units[u].caches;
        const auto at = std::ranges::find(caches, name, &topology::CacheUnit::name);
        if (at != caches.end()) return Stream{UnitId(std::uint32_t(u)), topology::micro_tlb(std::size_t(at - caches.begin()), 0), at->origin};
    }
    return std::nullopt;
}

std::vector<Stream> Draft::streams_of(const Device& device, const UseClause& use) {
    if (const auto first = first_micro_tlb(use.unit)) {
        if (use.stream && *use.stream >> topology::micro_tlb_bits == 0)
            return {{first->unit, StreamId(raw(first->id) + *use.stream), use.origin}};
        misconfigured("micro-tlb-missing", use.origin,
                fmt::format("{0} is a cache unit of an IPMMU: say `use {0} NUMBER`, with the number of a micro-TLB below {1}.", use.unit,
                            1u << topology::micro_tlb_bits));
        return {};
    }
    const auto unit = find_unit(use.unit);
    if (!unit) {
        misconfigured("unit-unknown", use.origin,
                fmt::format("No unit is named {0}: neither a unit line nor firmware describes it. Add `unit {0} ADDRESS` with "
                            "the address of its registers, or use one of: {1}.",
                            use.unit, unit_names()));
        return {};
    }
    const UnitKind kind = topology_.unit(*unit).kind;
    const auto* address = std::get_if<PciAddress>(&device.id);
    if (kind == UnitKind::vtd && (address == nullptr || use.stream)) {
        misconfigured(
            "vtd-stream-unusable", use.origin,
            address == nullptr
                ? fmt::format("{} cannot go through {}: VT-d knows PCI functions only.",
                              to_string(device.id), use.unit)
                : fmt::format("{0} is a VT-d unit: a use clause for it takes no number; say `use {0}`.", use.unit));
        return {};
    }
    if (kind == UnitKind::ipmmu) {
        misconfigured("micro-tlb-missing", use.origin,
                fmt::format("{0} is the main unit of an IPMMU: devices go through its cache units. Say `use CACHE NUMBER`, with one of: {1}.",
                            use.unit, unit_names()));
        return {};
    }
    if (use.stream) return {{*unit, StreamId(*use.stream), use.origin}};
    if (address == nullptr || !knows_requesters(kind)) {
        misconfigured("stream-missing", use.origin,
                fmt::format("use {0} needs a stream id for {1}: say `use {0} NUMBER`.", use.unit, to_string(device.id)));
        return {};
    }
    std::vector<Stream> streams;
    for (const RequesterId& id : requester_ids(input_.pci, *address))
        streams.push_back({*unit, id.id, use.origin});
    return streams;
}

void Draft::combine_streams(Device& device, std::vector<Stream> board, std::vector<Stream> user) {
    if (merging()) {
        check_contradiction(device, board, user);
        for (const Stream& stream : user) add_new(board, stream);
        device.streams = std::move(board);
        return;
    }
    for (const Stream& stream : board)
        if (std::ranges::find(user, stream) == user.end())
            topology_.superseded.push_back({device.id,
                                            stream_text(topology_.unit(stream.unit), stream.id),
                                            stream.origin,
                                            user.empty() ? device.origin : user.front().origin});
    device.streams = std::move(user);
}

// Two sources that give a device different streams on one unit cannot both be right.
void Draft::check_contradiction(const Device& device, const std::vector<Stream>& board,
                                const std::vector<Stream>& user) {
    std::set<std::uint32_t> said;
    for (const Stream& stream : user) {
        const auto board_ids = ids_on(board, stream.unit);
        if (board_ids.empty() || board_ids == ids_on(user, stream.unit)) continue;
        if (!said.insert(raw(stream.unit)).second) continue;
        const auto other = std::ranges::find(board, stream.unit, &Stream::unit);
        misconfigured("stream-contradiction", stream.origin,
                fmt::format("{} has other streams on {} here than at {}; use combine override if "
                            "the configuration "
                            "is right.",
                            to_string(device.id), topology_.unit(stream.unit).name,
                            other->origin.text));
    }
}

void Draft::report_unclaimed_devices() {
    if (topology_.units.empty()) return;
    for (const Device& device : topology_.devices) {
        if (!device.streams.empty()) continue;
        finding("device-no-unit", Severity::warning, device.origin,
                fmt::format("{0}{1}{2} is behind no unit: its DMA cannot be contained. If firmware forgot it, add: "
                            "device {0} use UNIT, with UNIT one of: {3}.",
                            to_string(device.id), device.description.empty() ? "" : " ",
                            device.description, unit_names()));
    }
}

void Draft::report_ports() {
    for (const PciFunction& function : input_.pci.functions) {
        if (!function.is_port()) continue;
        const auto& control = function.access_control;
        const auto held = input_.pci.gated ? control.enabled : control.supported;
        if ((held & topology::AccessControl::source_validation) != 0) continue;
        finding("port-no-source-validation", Severity::warning,
                {"PCI " + to_string(function.address)},
                fmt::format("The port {} does not check requester ids: a device below it can forge "
                            "the id of another. No line cures that; trust what is below it, or leave it unplugged.",
                            to_string(function.address)));
    }
}

}  // namespace smmu::survey

// SPDX-License-Identifier: Apache-2.0
// Memory: what devices must reach because firmware says so, and what they may reach because the
// configuration does.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "config/lines.hpp"
#include "survey/draft.hpp"

namespace smmu::survey {

using config::DeviceEntry;
using topology::Device;
using topology::Grant;
using topology::PciAddress;
using topology::PciFunction;
using topology::Severity;

namespace {

// True when a function stands below a bridge, on any of its buses.
bool is_below(const topology::PciTree& tree, const PciAddress& address, const PciAddress& bridge) {
    const PciFunction* above = tree.bridge_of(address.segment, address.bus);
    while (above != nullptr && above->address != bridge)
        above = tree.bridge_of(above->address.segment, above->address.bus);
    return above != nullptr;
}

std::string range_text(const PhysRange& range) {
    return fmt::format("{:#x}-{:#x}", range.first.value, range.last.value);
}

}  // namespace

const topology::Protected* Draft::protected_part(const PhysRange& range) const {
    const auto at = std::ranges::find_if(
        topology_.protected_memory,
        [&](const topology::Protected& part) { return part.range.overlaps(range); });
    return at != topology_.protected_memory.end() ? &*at : nullptr;
}

// Why a region of firmware is not believed; empty when it is.
std::string Draft::why_not_honoured(const PhysRange& range) const {
    if (const auto* part = protected_part(range))
        return "it reaches into protected memory: " + part->what;
    if (range.last - range.first >= largest_reserved_region)
        return fmt::format("it is larger than {} MiB", largest_reserved_region >> 20);
    for (const PhysRange& ram : ram_)
        if (ram.overlaps(range))
            return fmt::format("it reaches into plain memory {}", range_text(ram));
    return {};
}

void Draft::add_reserved() {
    if (dmar_)
        for (const firmware::Rmrr& region : dmar_->reserved)
            add_reserved_region(region.range, region.origin, [&](const Device& device) { return is_named(region, device); });
    if (iort_)
        for (const firmware::IortNode& node : iort_->nodes) add_reserved_of(node);
    for (const ClosedRegion& region : std::exchange(closed_regions_, {})) report_closed(region);
}

bool Draft::is_named(const firmware::Rmrr& region, const Device& device) const {
    const auto* address = std::get_if<PciAddress>(&device.id);
    if (address == nullptr) return false;
    return std::ranges::any_of(region.scopes, [&](const firmware::DeviceScope& scope) {
        const auto named = resolve(input_.pci, region.segment, scope);
        return named && (*named == *address || (scope.type == firmware::ScopeType::bridge &&
                                                is_below(input_.pci, *address, *named)));
    });
}

// The memory of an RMR node is for the devices that have one of its streams.
void Draft::add_reserved_of(const firmware::IortNode& node) {
    const auto has_it = [&](const firmware::IdMapping& mapping, const topology::Stream& stream) {
        const auto unit = smmu_units_.find(mapping.target);
        const std::uint32_t last = mapping.first_output + (mapping.last_input - mapping.first_input);
        return unit != smmu_units_.end() && unit->second == stream.unit && raw(stream.id) >= mapping.first_output &&
               raw(stream.id) <= last;
    };
    for (const firmware::IortRange& region : node.reserved)
        add_reserved_region(region.range, region.origin, [&](const Device& device) {
            return std::ranges::any_of(device.streams, [&](const topology::Stream& stream) {
                return std::ranges::any_of(node.mappings, [&](const firmware::IdMapping& mapping) { return has_it(mapping, stream); });
            });
        });
}

void Draft::add_reserved_region(const PhysRange& range, const topology::Origin& origin, const std::function<bool(const Device&)>& has_it) {
    const std::string reason = why_not_honoured(range);
    const Grant grant{Grant::Kind::reserved, range, read_write, reason.empty(), origin};
    ClosedRegion closed{range, reason, origin, {}};
    std::size_t given = 0;
    for (Device& device : topology_.devices) {
        if (!has_it(device)) continue;
        ++given;
        if (!give_reserved(device, grant)) closed.devices.push_back(device.id);
    }
    if (!closed.devices.empty()) closed_regions_.push_back(std::move(closed));
    if (given == 0 && !input_.pci.functions.empty())
        finding("reserved-no-device", Severity::note, origin,
                fmt::format("No device that answers has the reserved region {}.",
                            range_text(range)));
}

// When every device has what it is given, so that the advice keeps it.
void Draft::report_closed(const ClosedRegion& region) {
    std::string names, advice;
    for (const topology::DeviceId& id : region.devices) {
        names += (names.empty() ? "" : ", ") + to_string(id);
        advice += "; " + config::device_line(id, clauses_that_open(region.range, *find_device(id)));
    }
    finding("reserved-not-honoured", Severity::warning, region.origin,
            fmt::format("The reserved region {} of {} stays blocked: {}. {}", range_text(region.range), names, region.why,
                        protected_part(region.range) != nullptr
                            ? std::string("No line opens protected memory; a device that needs it cannot be used here.")
                            : "If the device needs it, add: " + advice.substr(2)));
}

// A `reserved` clause that overrides speaks for all regions of its device: those that are open are said with it.
std::vector<std::string> Draft::clauses_that_open(const PhysRange& range, const Device& device) const {
    std::vector<std::string> clauses;
    if (!merging())
        for (const Grant& grant : device.grants)
            if (grant.kind == Grant::Kind::reserved && grant.honoured)
                clauses.push_back("reserved " + config::window_text(grant.range, grant.access));
    clauses.push_back("reserved " + config::window_text(range, read_write));
    return clauses;
}

// Gives a device a region of firmware unless the user speaks about its reserved regions. False when
// it stays closed and nobody has decided so.
bool Draft::give_reserved(Device& device, const Grant& grant) {
    const DeviceEntry* entry = user_.find_device(device.id);
    const bool user_speaks = entry != nullptr && entry->speaks_of_reserved();
    if (user_speaks && !merging()) {
        const auto& by =
            entry->reserved_none ? *entry->reserved_none : entry->reserved.front().origin;
        topology_.superseded.push_back(
            {device.id, "reserved region " + range_text(grant.range), grant.origin, by});
        return true;
    }
    Grant own = grant;
    if (user_speaks)  // merged: a clause that covers the region confirms it
        own.honoured =
            own.honoured || std::ranges::any_of(entry->reserved, [&](const config::Window& window) {
                return window.range.contains(grant.range);
            });
    device.grants.push_back(own);
    return own.honoured;
}

void Draft::add_user_memory() {
    for (const DeviceEntry& entry : user_.devices) {
        Device* device = find_device(entry.id);
        SMMU_ASSERT(device != nullptr);
        for (const config::Window& window : entry.reserved) {
            device->grants.push_back(
                {Grant::Kind::reserved, window.range, window.access, true, window.origin});
            if (const auto* part = protected_part(window.range))
                finding("reserved-protected", Severity::warning, window.origin,
                        fmt::format("{} reaches into protected memory ({}); that part is cut out.",
                                    range_text(window.range), part->what));
        }
        add_startup(*device, entry);
    }
}

void Draft::add_startup(Device& device, const DeviceEntry& entry) {
    for (const config::NameUse& use : entry.allows) {
        const config::AllowSet* set = user_.find_allow(use.name);
        if (set == nullptr) {
            misconfigured("allow-unknown", use.origin,
                    fmt::format("No allow line defines {0}. Add: allow {0} START,LENGTH", use.name));
            continue;
        }
        for (const config::Window& window : set->windows) {
            device.grants.push_back(
                {Grant::Kind::startup,
                 window.range,
                 window.access,
                 true,
                 {fmt::format("{} ({} at {})", use.origin.text, use.name, window.origin.text)}});
            if (const auto* part = protected_part(window.range))
                finding("startup-protected", Severity::warning, window.origin,
                        fmt::format(
                            "{} of {} reaches into protected memory ({}); that part is cut out.",
                            range_text(window.range), use.name, part->what));
        }
    }
    if (!entry.host) return;
    for (const PhysRange& ram : ram_)
        device.grants.push_back({Grant::Kind::startup, ram, read_write, true, *entry.host});
}

}  // namespace smmu::survey

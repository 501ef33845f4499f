// SPDX-License-Identifier: Apache-2.0
// Doorbells: where a device that sends messages writes to raise its interrupts. On Arm that is a write like any other.
#include <fmt/format.h>

#include <algorithm>

#include "survey/draft.hpp"
#include "survey/requester_ids.hpp"

namespace smmu::survey {

using topology::Grant;
using topology::Severity;

namespace {

Grant doorbell(const PhysRange& frame, const topology::Origin& origin) {
    return {Grant::Kind::doorbell, frame, Access::write, true, origin};
}

}  // namespace

// A grant of a doorbell opens what is protected: no device's registers may lie there.
bool Draft::meets_a_device(const PhysRange& frame) const {
    return std::ranges::any_of(topology_.devices, [&](const topology::Device& device) {
        return std::ranges::any_of(device.registers, [&](const PhysRange& registers) { return registers.overlaps(frame); });
    });
}

// Frames are registers of their own: no memory, no device, and nothing else that is protected.
bool Draft::is_doorbell(const PhysRange& frame) const {
    const auto is_itself = [&](const topology::Protected& part) { return part.range == frame && part.what.starts_with("doorbell"); };
    return !meets_a_device(frame) &&
           std::ranges::none_of(topology_.protected_memory,
                                [&](const topology::Protected& part) { return part.range.overlaps(frame) && !is_itself(part); }) &&
           std::ranges::none_of(input_.ram, [&](const PhysRange& memory) { return memory.overlaps(frame); });
}

void Draft::add_doorbells(topology::Device& device, std::vector<Grant> bells) {
    for (Grant& bell : bells) {
        if (is_doorbell(bell.range))
            device.grants.push_back(std::move(bell));
        else
            finding("doorbell-not-opened", Severity::warning, bell.origin,
                    fmt::format("The doorbell at {:#x} lies in memory or in other registers, so {} is not given it and its interrupts do not "
                                "arrive. Mend a copy of the tables and start with --tables and its folder.",
                                bell.range.first.value, to_string(device.id)));
    }
}

void Draft::add_doorbells() {
    if (!iort_) return;
    for (topology::Device& device : topology_.devices) {
        const auto* address = std::get_if<topology::PciAddress>(&device.id);
        if (address == nullptr || !device.interrupts_by_message || device.streams.empty()) continue;
        add_doorbells(device, table_doorbells(*address));
    }
}

// Those of the translation services that the IORT leads to; on a machine without any, those of its message frames.
std::vector<Grant> Draft::table_doorbells(const topology::PciAddress& address) const {
    std::vector<Grant> bells;
    for (const RequesterId& id : requester_ids(input_.pci, address))
        for (const std::uint32_t its : iort_->its_of(address.segment, id.id)) {
            const auto service = std::ranges::find(madt_.services, its, &firmware::TranslationService::id);
            if (service != madt_.services.end() && std::ranges::find(bells, service->doorbell, &Grant::range) == bells.end())
                bells.push_back(doorbell(service->doorbell, service->origin));
        }
    if (madt_.services.empty())
        for (const firmware::MessageFrame& frame : madt_.message_frames) bells.push_back(doorbell(frame.doorbell, frame.origin));
    return bells;
}

}  // namespace smmu::survey

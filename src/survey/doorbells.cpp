// SPDX-License-Identifier: Apache-2.0
// Doorbells: where a device that sends messages writes to raise its interrupts. On Arm that is a write like any other.
#include <algorithm>

#include "survey/draft.hpp"
#include "survey/requester_ids.hpp"

namespace smmu::survey {

using topology::Grant;

namespace {

Grant doorbell(const PhysRange& frame, const topology::Origin& origin) {
    return {Grant::Kind::doorbell, frame, Access::write, true, origin};
}

}  // namespace

void Draft::add_doorbells() {
    if (!iort_) return;
    for (topology::Device& device : topology_.devices) {
        const auto* address = std::get_if<topology::PciAddress>(&device.id);
        if (address == nullptr || !device.interrupts_by_message || device.streams.empty()) continue;
        std::ranges::move(doorbells_of(*address), std::back_inserter(device.grants));
    }
}

// Those of the translation services that the IORT leads to; on a machine without any, those of its message frames.
std::vector<Grant> Draft::doorbells_of(const topology::PciAddress& address) const {
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

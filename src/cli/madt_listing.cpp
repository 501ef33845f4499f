// SPDX-License-Identifier: Apache-2.0
#include "cli/madt_listing.hpp"

namespace smmu::cli {

void list_madt(const firmware::Madt& madt, report::TableListing& listing) {
    using Kind = firmware::GicFrame::Kind;
    const auto add = [&](std::string_view what, bool doorbell, const PhysRange& range, const topology::Origin& origin) {
        listing.frames.push_back({std::string(what), doorbell, range.first.value, range.last.value, origin.text});
    };
    for (const firmware::GicFrame& frame : madt.frames) add(name(frame.kind), false, frame.range, frame.origin);
    for (const firmware::TranslationService& service : madt.services)
        add(firmware::name(Kind::translation_service), true, service.doorbell, service.origin);
    for (const firmware::MessageFrame& frame : madt.message_frames) add("message frame", true, frame.doorbell, frame.origin);
}

}  // namespace smmu::cli

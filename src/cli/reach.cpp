// SPDX-License-Identifier: Apache-2.0
#include "cli/reach.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/phrases.hpp"

namespace smmu::cli {

namespace {

// Identity mapped: the parts of it that are not protected.
void add_without_protected(std::vector<Opening>& openings, const report::Status& status, Opening opening) {
    std::vector<report::Protected> cuts = status.protected_memory;
    std::ranges::sort(cuts, {}, &report::Protected::first);
    for (const report::Protected& part : cuts) {
        if (part.last < opening.first || part.first > opening.last) continue;
        if (part.first > opening.first) {
            Opening before = opening;
            before.last = part.first - 1;
            openings.push_back(before);
        }
        if (part.last >= opening.last) return;
        opening.first = opening.physical = part.last + 1;
    }
    openings.push_back(std::move(opening));
}

}  // namespace

std::vector<Opening> reach(const report::Status& status, const report::Device& device) {
    std::vector<Opening> openings;
    if (device.state == "behind no unit" || device.state == "not contained" || device.state == "host" || device.state == "failed") return openings;
    if (const report::Object* object = object_of(status, device))
        for (const report::Mapping& mapping : object->mappings)
            openings.push_back({mapping.first, mapping.last, mapping.physical, mapping.access,
                                fmt::format("granted by object {}", object->id), owner_text(object->owner)});
    for (const report::Device* member : members(status, device.group))
        for (const report::FirmwareGrant& grant : member->grants) {
            if (!grant.honoured) continue;
            std::string why = grant.kind == "startup"    ? "startup mapping"
                              : grant.kind == "doorbell" ? "doorbell for interrupts"
                                                         : "reserved region";
            if (member != &device) why += " of " + member->id + ", same group";
            Opening opening{grant.first, grant.last, grant.first, grant.access, std::move(why), grant.origin};
            if (grant.kind == "doorbell")
                openings.push_back(std::move(opening));  // cut out of what is protected around it
            else
                add_without_protected(openings, status, std::move(opening));
        }
    return openings;
}

}  // namespace smmu::cli

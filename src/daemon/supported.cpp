// SPDX-License-Identifier: Apache-2.0
#include "daemon/supported.hpp"

#include <fmt/format.h>

#include "survey/driven.hpp"

namespace smmu::daemon {
namespace {

// Firmware's units are named by their kind.
bool can_pass_unknown_streams(const config::Configuration& configuration, const std::optional<std::string>& name) {
    if (!name) return false;
    const config::UnitEntry* const unit = configuration.find_unit(*name);
    return unit != nullptr ? unit->kind == topology::UnitKind::smmuv2 : name->starts_with("smmuv2@");
}

}  // namespace

std::vector<std::string> unsupported_words(const config::Configuration& configuration) {
    std::vector<std::string> lines;
    const auto refuse = [&](const config::Origin& origin, std::string text) {
        lines.push_back(fmt::format("{}: {}", origin.text, text));
    };
    for (const config::SupportModule& module : configuration.modules)
        if (!module.kind || !survey::is_driven(*module.kind))
            refuse(module.origin, "this build drives units of kinds vtd, armsmmuv3, armsmmu and rcar3 only; leave the word out");
    for (const config::UnitEntry& unit : configuration.units)
        if (!survey::is_driven(unit.kind))
            refuse(unit.origin, fmt::format("unit {} is of a kind this build does not drive", unit.name));
    for (const config::UnitEntry& unit : configuration.units)
        if (unit.bypass && unit.kind != topology::UnitKind::smmuv2)
            refuse(unit.origin, "units of this kind always refuse streams that no device has; say 0 for bypass");
    for (const config::UnclaimedEntry& entry : configuration.unclaimed)
        if (entry.bypass && !can_pass_unknown_streams(configuration, entry.unit))
            refuse(entry.origin, "only units of kind armsmmu can let pass what no known device sends; name one of them, or leave it out");
    if (configuration.safety.value == config::Safety::required)
        refuse(configuration.safety.origin.value_or(config::Origin{"default"}),
               "this is not smmuman-safety, so nothing here can be of its set; say `safety warn` to be told what is not");
    return lines;
}

}  // namespace smmu::daemon

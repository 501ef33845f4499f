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

// Where the kernel keeps the units, it alone programs them: all of them, and nothing but what programs ask for.
void add_beside_kernel(const config::Configuration& configuration, std::vector<std::string>& lines) {
    const auto refuse = [&](const config::Origin& origin, std::string_view what) {
        lines.push_back(fmt::format("{}: {} cannot stand beside `smmu vfio`, which leaves all units to the kernel; leave one of the two out", origin.text, what));
    };
    const config::Origin unknown{"default"};
    for (const config::SupportModule& module : configuration.modules)
        if (module.kind) refuse(module.origin, "another kind of units");
    for (const config::UnitEntry& unit : configuration.units) refuse(unit.origin, "a unit by hand");
    for (const config::DeviceEntry& device : configuration.devices)
        if (!device.allows.empty() || !device.uses.empty() || device.speaks_of_reserved() || device.host)
            refuse(device.origin, "a device line with allow sets, use, reserved or host");
    if (configuration.platform.value.board) refuse(configuration.platform.origin.value_or(unknown), "a board, which has no kernel,");
    if (configuration.trial.value.count() != 0) refuse(configuration.trial.origin.value_or(unknown), "`trial`");
    if (configuration.tables.origin) refuse(*configuration.tables.origin, "`tables`");
}

}  // namespace

std::vector<std::string> unsupported_words(const config::Configuration& configuration) {
    std::vector<std::string> lines;
    const auto refuse = [&](const config::Origin& origin, std::string text) {
        lines.push_back(fmt::format("{}: {}", origin.text, text));
    };
    for (const config::SupportModule& module : configuration.modules)
        if (module.kind && !survey::is_driven(*module.kind))
            refuse(module.origin, "this build drives units of kinds vtd, armsmmuv3, armsmmu, rcar3 and vfio only; leave the word out");
    if (configuration.kernel_keeps_units()) add_beside_kernel(configuration, lines);
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

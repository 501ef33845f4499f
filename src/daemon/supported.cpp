// SPDX-License-Identifier: Apache-2.0
#include "daemon/supported.hpp"

#include <fmt/format.h>

#include "survey/driven.hpp"

namespace smmu::daemon {

std::vector<std::string> unsupported_words(const config::Configuration& configuration) {
    std::vector<std::string> lines;
    const auto refuse = [&](const config::Origin& origin, std::string text) {
        lines.push_back(fmt::format("{}: {}", origin.text, text));
    };
    for (const config::SupportModule& module : configuration.modules)
        if (!module.kind || !survey::is_driven(*module.kind))
            refuse(module.origin, "this build drives units of kinds vtd and smmuv3 only; leave the word out");
    for (const config::UnitEntry& unit : configuration.units)
        if (!survey::is_driven(unit.kind))
            refuse(unit.origin, fmt::format("unit {} is of a kind this build does not drive", unit.name));
    for (const config::UnitEntry& unit : configuration.units) {
        if (unit.bypass) refuse(unit.origin, "streams that no device has are always refused; say 0 for bypass");
        if (!unit.reserved_streams.empty())
            refuse(unit.origin, "this build keeps no list of reserved streams; leave them out, unknown streams are refused");
    }
    for (const config::UnclaimedEntry& entry : configuration.unclaimed)
        if (entry.bypass)
            refuse(entry.origin, "units refuse what no known device sends; `unclaimed bypass` cannot be honoured");
    if (configuration.safety.value == config::Safety::required)
        refuse(configuration.safety.origin.value_or(config::Origin{"default"}),
               "this is not smmuman-safety, so nothing here can be of its set; say `safety warn` to be told what is not");
    return lines;
}

}  // namespace smmu::daemon

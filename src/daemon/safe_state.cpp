// SPDX-License-Identifier: Apache-2.0
#include "daemon/safe_state.hpp"

#include <cstdio>

#include "base/clock.hpp"
#include "daemon/service.hpp"

namespace smmu::daemon {

namespace {

int ended(const Stop& why) {
    std::fprintf(stderr, "smmuman: safe state: %s\n", why.text.c_str());
    return int(why.status);
}

}  // namespace

// A start adopts what the earlier service left, which blocks everything of its clients; an orderly stop keeps it so.
int enter_safe_state(const CommandLine& line) {
    const ConfigurationSource source(line.words);
    auto configuration = source.read();
    if (!configuration) return ended(configuration.error());
    const auto found = look_around(*configuration, line.tables);
    if (!found) return ended(found.error());
    if (found->walked_tables.empty() && !found->unread_units.empty())
        return ended({ExitStatus::hardware, "NOT CONTAINED by this: " + found->unread_units.front().why.text});
    if (found->walked_tables.empty()) {
        std::fprintf(stderr, "smmuman: safe state: no unit is translating, so no service left anything\n");
        return int(ExitStatus::fine);
    }
    configuration->trial.value = {};
    SteadyClock clock;
    auto service = Service::start(source, *std::move(configuration), line.tables, clock);
    if (!service) return ended(service.error());
    (*service)->leave();
    std::fprintf(stderr, "smmuman: safe state: %s\n", (*service)->summary().c_str());
    return int(ExitStatus::fine);
}

}  // namespace smmu::daemon

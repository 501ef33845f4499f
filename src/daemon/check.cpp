// SPDX-License-Identifier: Apache-2.0
#include "daemon/check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <span>

#include "daemon/configuration_source.hpp"
#include "daemon/host_devices.hpp"
#include "daemon/machine.hpp"
#include "daemon/people.hpp"
#include "survey/advice.hpp"

namespace smmu::daemon {

namespace {

int cannot(const std::string& text) {
    std::fprintf(stderr, "smmuman: check: %s\n", text.c_str());
    return int(survey::Verdict::errors);
}

// What the kernel drives is to be left to it, unless a person changes the line.
std::string to_paste(topology::Topology topology, std::span<const HostDevice> driven, const config::Configuration& configuration) {
    for (topology::Device& device : topology.devices)
        if (std::ranges::find(driven, device.id, &HostDevice::id) != driven.end()) device.host = true;
    return survey::paste_ready(topology, configuration);
}

}  // namespace

int check(const CommandLine& line) {
    const auto configuration = ConfigurationSource(line.words).read();
    if (!configuration) return cannot(configuration.error().text);
    if (const auto people = People::resolve(*configuration); !people) return cannot(people.error().text);
    const auto machine = look_around(*configuration, line.tables);
    if (!machine) return cannot(machine.error().text);
    const topology::Topology& topology = machine->topology;
    fmt::print("# {}: {} units, {} devices; tables from {}\n", machine->platform->name(), topology.units.size(),
               topology.devices.size(), line.tables.value_or("the machine"));
    for (const UnreadUnit& unit : machine->unread_units) fmt::print("# not read: {}\n", unit.why.text);
    const auto refused = machine->refused_host_devices(*configuration);
    fmt::print("{}\n# To paste into a file and change:\n{}", survey::findings_text(topology), to_paste(topology, refused, *configuration));
    if (refused.empty()) return int(survey::verdict(topology));
    return cannot("devices that this machine uses itself would be refused, so the service does not start:" + host_devices_text(refused));
}

}  // namespace smmu::daemon

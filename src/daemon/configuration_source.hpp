// SPDX-License-Identifier: Apache-2.0
// ConfigurationSource: the words of the command line and the files they name, read at start and again at each reload.
#pragma once

#include <string>
#include <vector>

#include "base/result.hpp"
#include "config/configuration.hpp"
#include "daemon/exit_status.hpp"

namespace smmu::daemon {

class ConfigurationSource {
public:
    explicit ConfigurationSource(std::vector<std::string> words) : words_(std::move(words)) {}

    // ExitStatus::configuration, with every error and its place, when there is one.
    Started<config::Configuration> read() const;
    // What the words come to when those that are wrong are left out: enough to look around, never to start.
    config::Configuration as_far_as_readable() const;
    // The same without anything that grants: what units there are and where tables lie.
    config::Configuration hardware_alone() const;
    // Whether these words may start on the machine they name: on a real one not the empty ones of somebody who tries.
    bool is_deliberate(const config::Configuration& configuration) const;

private:
    std::vector<std::string> words_;
};

// What differs between the two and cannot change while the service runs, as a sentence for an administrator.
Result<void> can_become(const config::Configuration& now, const config::Configuration& next);

}  // namespace smmu::daemon

// SPDX-License-Identifier: Apache-2.0
// Registry: the places the service can run on and the kinds of units it can drive. The only file that knows them all.
#pragma once

#include <memory>

#include "config/configuration.hpp"
#include "memory/arena.hpp"
#include "platform/platform.hpp"
#include "topology/topology.hpp"
#include "units/first_look.hpp"
#include "units/unit.hpp"

namespace smmu::daemon {

// ENOTSUP for a platform that this build does not have.
Result<std::unique_ptr<platform::Platform>> open_platform(const config::PlatformChoice& choice);

// ENOTSUP for a kind that this build does not drive; else as the driver says.
Result<units::FirstLook> look_at_unit(const topology::Unit& unit, platform::Platform& platform);

struct UnitParts {
    platform::Platform& platform;
    memory::Arena& arena;
    memory::Account& tables;  // of the service itself
    Clock& clock;
};
// ENOTSUP for a kind that this build does not drive. The hardware is only read.
Result<std::unique_ptr<units::IommuUnit>> open_unit(const topology::Unit& unit, const UnitParts& parts);

// Makes a unit that walks tables which are lost refuse everything, without table memory. ENOTSUP, EIO as the driver says.
Result<void> shut_unit(const topology::Unit& unit, platform::Platform& platform, Clock& clock);

}  // namespace smmu::daemon

// SPDX-License-Identifier: Apache-2.0
// Reach: what a device may reach now, piece by piece, and why. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "report/status.hpp"

namespace smmu::cli {

struct Opening {
    std::uint64_t first, last;  // device addresses
    std::uint64_t physical;     // of `first`
    std::string access;         // letters
    std::string why;            // "granted by object 3", "startup mapping", ...
    std::string origin;         // who says so
};

// Grants of the object that owns it, then what firmware and configuration give its group, without protected memory.
// Nothing for a device that no unit contains: that one reaches everything.
std::vector<Opening> reach(const report::Status& status, const report::Device& device);

}  // namespace smmu::cli

// SPDX-License-Identifier: Apache-2.0
// TopologyViews: the whole machine in one picture: segments, root buses, bridges, devices with their units, groups,
// owners and what is open. Pure: values in, text out.
#pragma once

#include <string>

#include "cli/subcommand.hpp"
#include "report/status.hpp"

namespace smmu::cli {

std::string topology_text(const report::Status& status, Style style);
std::string topology_dot(const report::Status& status);  // for graphviz
std::string topology_svg(const report::Status& status);

}  // namespace smmu::cli

// SPDX-License-Identifier: Apache-2.0
// Text: the service's status as a person reads it in a terminal. Pure: values in, text out.
#pragma once

#include <string>

#include "cli/subcommand.hpp"
#include "report/status.hpp"

namespace smmu::cli {

std::string status_text(const report::Status& status, Style style);
std::string units_text(const report::Status& status, Style style);
std::string registers_text(const report::Status& status, Style style);
std::string devices_text(const report::Status& status, Style style);
std::string objects_text(const report::Status& status, Style style);
std::string mappings_text(const report::Status& status, Style style);

}  // namespace smmu::cli

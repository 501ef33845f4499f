// SPDX-License-Identifier: Apache-2.0
// ExplainText: everything that is known about one device, and what to do about what it was refused. Pure.
#pragma once

#include <span>
#include <string>

#include "cli/advice.hpp"
#include "cli/subcommand.hpp"
#include "report/status.hpp"

namespace smmu::cli {

std::string explain_text(const report::Status& status, const report::Device& device, Style style);
// Ready to be pasted: what is no line of configuration is a comment.
std::string suggest_text(std::span<const Advice> advice);

}  // namespace smmu::cli

// SPDX-License-Identifier: Apache-2.0
// Advice: what a survey found, for a person: findings with their severity, and the machine written back as
// configuration that can be pasted and then changed. The same for the service's check and for an offline one.
#pragma once

#include <string>

#include "topology/topology.hpp"

namespace smmu::survey {

// As an exit status says it.
enum class Verdict : int { clean = 0, warnings = 1, errors = 2 };
Verdict verdict(const topology::Topology& topology);

// One line a finding, errors first, each a comment of the language: "# error dmar-refused DMAR: text".
std::string findings_text(const topology::Topology& topology);

// A *.smmu file that says of each unit and device what was found, with comments. parse() reads it, and a survey with it
// gives every device the streams it has here. A device that cannot be contained is named in a comment.
std::string paste_ready(const topology::Topology& topology);

}  // namespace smmu::survey

// SPDX-License-Identifier: Apache-2.0
// Advice: what a survey found, for a person: findings with their severity, and the machine written back as
// configuration that can be pasted and then changed. The same for the service's check and for an offline one.
#pragma once

#include <string>

#include "config/configuration.hpp"
#include "topology/topology.hpp"

namespace smmu::survey {

// As an exit status says it.
enum class Verdict : int { clean = 0, warnings = 1, errors = 2 };
Verdict verdict(const topology::Topology& topology);

// One line a finding, errors first, each a comment of the language: "# error dmar-refused DMAR: text".
std::string findings_text(const topology::Topology& topology);

// A *.smmu file that says of each unit and device what was found, with comments; `configuration` is what the survey was
// made with. parse() reads it, and a survey with it gives every device the streams it has here. What cannot be contained,
// or is of a kind that this build does not drive, is a comment.
std::string paste_ready(const topology::Topology& topology, const config::Configuration& configuration);

}  // namespace smmu::survey

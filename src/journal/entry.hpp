// SPDX-License-Identifier: Apache-2.0
// Entry: what the journal keeps of a refused access.
#pragma once

#include <string>
#include <vector>

#include "report/status.hpp"

namespace smmu::journal {

// "FIELD=value" each. No value has a line end. A field that nobody knows is left out.
using Entry = std::vector<std::string>;

Entry entry_of(const report::Event& event);
// For the gap before an event: some were lost.
Entry entry_of_loss(const report::Event& event);
// The value of a field; empty when the entry has none.
std::string value(const Entry& entry, const std::string& field);

}  // namespace smmu::journal

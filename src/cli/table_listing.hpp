// SPDX-License-Identifier: Apache-2.0
// TableListing of raw firmware tables. Pure: bytes in, values out; what is malformed is a finding.
#pragma once

#include <span>

#include "platform/platform.hpp"
#include "report/tables.hpp"

namespace smmu::cli {

report::TableListing list_tables(std::span<const platform::RawTable> tables);
// As a person reads it.
std::string listing_text(const report::TableListing& listing);

}  // namespace smmu::cli

// SPDX-License-Identifier: Apache-2.0
// What an IORT says, for the listing of raw tables.
#pragma once

#include <string>

#include "firmware/iort.hpp"
#include "report/tables.hpp"

namespace smmu::cli {

// Adds units and their counters, requesters, named components and reserved memory.
void list_iort(const firmware::Iort& iort, report::TableListing& listing);

// "smmuv3@9050000:0018-001f"
std::string stream_text(const report::ListedStream& stream);

}  // namespace smmu::cli

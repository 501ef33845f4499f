// SPDX-License-Identifier: Apache-2.0
// What an MADT says, for the listing of raw tables.
#pragma once

#include "firmware/madt.hpp"
#include "report/tables.hpp"

namespace smmu::cli {

// Adds frames of the interrupt controllers and the pages through which devices raise interrupts.
void list_madt(const firmware::Madt& madt, report::TableListing& listing);

}  // namespace smmu::cli

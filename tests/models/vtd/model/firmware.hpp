// SPDX-License-Identifier: Apache-2.0
// Firmware: the ACPI tables that describe a machine: DMAR (VT-d 5.10, chapter 8) and MCFG.
#pragma once

#include <vector>

#include "link/machine.hpp"
#include "tests/models/vtd/model/facts.hpp"

namespace smmu::model::vtd {

std::vector<link::FirmwareTable> firmware_tables(const MachineFacts& facts);

}  // namespace smmu::model::vtd

// SPDX-License-Identifier: Apache-2.0
// Description: a board of the model as a JSON file:
//
//   {"product": "h3-es1", "memory_mib": 256, "device_tree": false, "off": ["a3vp"],
//    "flush_readings": 3, "never_flushes": false,
//    "masters": [{"name": "gpu", "base": "0xfd000000", "unit": "pv0", "slots": [0, 1],
//                 "compatible": "renesas,gpu"}]}
//
// What is left out is as in MachineFacts. Products: product.hpp. Masters come on top of the
// product's own; without "compatible" the device tree does not show them.
#pragma once

#include <string>

#include "base/result.hpp"
#include "tests/models/rcar/model/facts.hpp"

namespace smmu::model::rcar {

// The board's name is the file's, without its ending.
Result<MachineFacts> load_facts(const std::string& path);

}  // namespace smmu::model::rcar

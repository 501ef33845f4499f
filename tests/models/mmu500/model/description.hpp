// SPDX-License-Identifier: Apache-2.0
// Description: a machine of the model as a JSON file:
//
//   {"memory_mib": 256, "firmware": "dtb",
//    "units": [{"base": "0xfd800000", "features": {"stage1": false, "banks": 8},
//               "behaviour": {"sync_delay": 2}},
//              {"base": "0xfda00000"}],
//    "engines": [{"base": "0xff000000", "unit": 0, "streams": [1, "0x400"]}]}
//
// What is left out is as in MachineFacts; "firmware" may also be "iort". Features and behaviour are
// named as the members of Features and Behaviour.
#pragma once

#include <string>

#include "base/result.hpp"
#include "tests/models/mmu500/model/facts.hpp"

namespace smmu::model::mmu500 {

// The board's name is the file's, without its ending.
Result<MachineFacts> load_facts(const std::string& path);

}  // namespace smmu::model::mmu500

// SPDX-License-Identifier: Apache-2.0
// Description: a machine of the model as a JSON file:
//
//   {"memory_mib": 256, "host_bits": 39,
//    "units": [{"base": "0xfed90000", "scopes": ["0:3.0", "below 0:5.0"],
//               "features": {"fault_registers": 4, "caching_mode": true},
//               "acknowledge_delay": 2, "never_acknowledged": "0x80000000"},
//              {"base": "0xfed91000", "takes_all": true}],
//    "reserved": [{"first": "0x700000", "last": "0x7fffff", "scopes": ["0:4.0"]}],
//    "functions": [{"at": "0:3.0", "kind": "edu"}, {"at": "0:5.0", "kind": "root_port",
//                   "secondary": 1}]}
//
// What is left out is as in MachineFacts. Features are named as the members of Features. A scope
// below bridges is a path: "0:5.0/0.0".
#pragma once

#include <string>

#include "base/result.hpp"
#include "tests/models/vtd/model/facts.hpp"

namespace smmu::model::vtd {

// The board's name is the file's, without its ending.
Result<MachineFacts> load_facts(const std::string& path);

}  // namespace smmu::model::vtd

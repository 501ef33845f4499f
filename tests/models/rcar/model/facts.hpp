// SPDX-License-Identifier: Apache-2.0
// Facts: which board the model is. Tests fill it in, or a description in JSON does.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/models/rcar/model/main_unit.hpp"
#include "tests/models/rcar/model/product.hpp"

namespace smmu::model::rcar {

struct MachineFacts {
    std::string name = "rcar";
    Product product = *rcar::product("h3-es3");
    std::uint64_t memory_mib = 256;
    bool has_device_tree = true;
    std::vector<Domain> off;  // domains without power at the start
    Behaviour behaviour = {};
};

}  // namespace smmu::model::rcar

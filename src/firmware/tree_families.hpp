// SPDX-License-Identifier: Apache-2.0
// TreeFamilies: which kind of unit a node of a device tree is, by its compatible names.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "topology/topology.hpp"

namespace smmu::firmware {

struct UnitFamily {
    std::string_view pattern;  // a compatible name; one `*` stands for any characters
    topology::UnitKind kind;
    std::string_view name;  // "qcom-smmu-500"
};

// The first name that any family has decides. Nothing: no unit that is known.
std::optional<UnitFamily> family_of(const std::vector<std::string>& compatible);

bool matches(std::string_view pattern, std::string_view name);

}  // namespace smmu::firmware

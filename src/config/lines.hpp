// SPDX-License-Identifier: Apache-2.0
// Lines: facts written in the *.smmu language, ready to be pasted. What parse() reads back from them is what was given.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/access.hpp"
#include "base/range.hpp"
#include "topology/device_id.hpp"

namespace smmu::config {

// "0x1000,8K,rw": start, length and permissions as `allow`, `reserved` and `limit` take them.
std::string window_text(const PhysRange& range, Access access);

// "allow NAME start,len,perm"
std::string allow_line(std::string_view name, const PhysRange& range, Access access);

// "device ID CLAUSE CLAUSE ..."; clauses as the language has them: "use vtd@fed90000", "reserved 0x1000,4K,rw", a set's name.
std::string device_line(const topology::DeviceId& id, const std::vector<std::string>& clauses);

}  // namespace smmu::config

// SPDX-License-Identifier: Apache-2.0
// Claims: which devices a query means, and whether a client may have them.
#pragma once

#include <vector>

#include "containment/state.hpp"

namespace smmu::containment {

// Every device the query names, in order; empty when there is none.
std::vector<DeviceIndex> matching(const topology::Topology& machine, const DeviceQuery& query);
bool is_wildcard(const DeviceQuery& query);
bool starts_with_mappings(const topology::Device& device);
std::string to_string(const DeviceQuery& query);

// The devices that adding `query` to the object claims, all or none: ENOENT, EBUSY, EPERM.
Result<std::vector<DeviceIndex>> claim(State& state, const Client& client, const Object& object,
                                       const DeviceQuery& query);

}  // namespace smmu::containment

// SPDX-License-Identifier: Apache-2.0
// Given up: whether the kernel leaves the IOMMU units to the service.
#pragma once

#include "base/result.hpp"
#include "platform/linux/host_files.hpp"

namespace smmu::platform::linux {

// EPERM, with the kernel parameters that help, when the kernel drives a unit or is locked down.
Result<void> check_given_up(const HostFiles& files);

// The kernel parameters that keep its driver from a unit it calls by this name ("dmar0", "smmu3.0x...").
std::string parameters_against(std::string_view unit);

}  // namespace smmu::platform::linux

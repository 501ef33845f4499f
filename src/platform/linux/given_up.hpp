// SPDX-License-Identifier: Apache-2.0
// Given up: whether the kernel leaves the IOMMU units to the service, as it says itself.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/range.hpp"
#include "base/result.hpp"
#include "platform/linux/host_files.hpp"

namespace smmu::platform::linux {

// A unit that a driver of the kernel has.
struct KernelUnit {
    std::string name;               // "dmar0", "smmu3.0x0000000009050000"
    std::optional<PhysAddr> base;  // where its registers begin; nothing: the kernel does not say
};

// Ascending by name. What cannot be read is an error: nothing is taken for given up unseen.
Result<std::vector<KernelUnit>> kernel_units(const HostFiles& files);

// EPERM, with the kernel parameters that help, when the kernel is locked down, drives a unit of which nobody can say which one
// it is, or contains devices by a driver that shows no unit. Units whose place is known are not looked at.
Result<void> check_given_up(const HostFiles& files);
// The same, and EPERM when the kernel drives the unit whose registers begin in this range.
Result<void> check_given_up(const HostFiles& files, PhysRange registers);

// The kernel parameters that keep its driver from a unit it calls by this name.
std::string parameters_against(std::string_view unit);

}  // namespace smmu::platform::linux

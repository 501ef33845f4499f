// SPDX-License-Identifier: Apache-2.0
// BusProbe: whether anything answers at an address, found out by a process that may be lost over it: a read from hardware that has
// no power or no clock ends in a bus error, or not at all.
#pragma once

#include <cstddef>
#include <span>

#include "base/result.hpp"

namespace smmu::platform::linux {

// Reads the first 32-bit register of a view in a child. EIO: the child was ended by it; ETIMEDOUT: it was not done in half a
// second. The sentence does not say where.
Result<void> probe_first_register(std::span<const std::byte> registers);

}  // namespace smmu::platform::linux

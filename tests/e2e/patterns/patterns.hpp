// SPDX-License-Identifier: Apache-2.0
// Patterns: the suite of how published drivers call the library; one board and service for all.
#pragma once

#include <thread>

#include "tests/e2e/machine_room.hpp"

namespace smmu::test {

class Patterns : public SharedRoom<Patterns> {};

}  // namespace smmu::test

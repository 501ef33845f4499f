// SPDX-License-Identifier: Apache-2.0
// SMMU_ASSERT: what cannot happen unless this program is wrong. Kept in release builds: a service that
// no longer knows what it opened must stop (the hardware goes on refusing), not go on.
#pragma once

namespace smmu {
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;
}

#define SMMU_ASSERT(expression) \
    ((expression) ? void() : ::smmu::assertion_failed(#expression, __FILE__, __LINE__))

// SPDX-License-Identifier: Apache-2.0
#include "base/assert.hpp"

#include <cstdio>
#include <cstdlib>

namespace smmu {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
    std::fprintf(stderr, "smmuman: internal error at %s:%d: %s does not hold\n", file, line, expression);
    std::abort();
}

}  // namespace smmu

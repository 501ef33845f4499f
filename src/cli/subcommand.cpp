// SPDX-License-Identifier: Apache-2.0
#include "cli/subcommand.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace smmu::cli {

Style style_of_output() {
    return {.colour = std::getenv("NO_COLOR") == nullptr && isatty(STDOUT_FILENO) != 0};
}

int complain(const std::string& text) {
    std::fprintf(stderr, "smmuctl: %s\n", text.c_str());
    return failed;
}

}  // namespace smmu::cli

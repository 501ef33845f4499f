// SPDX-License-Identifier: Apache-2.0
// Parse: command line and *.smmu files become a Configuration, or up to twenty errors with their
// places.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "config/configuration.hpp"
#include "config/words.hpp"

namespace smmu::config {

struct ParseResult {
    Configuration
        configuration;  // what could be understood; to be used only when there is no error
    std::vector<ConfigError> errors;
};

ParseResult parse(std::span<const std::string> arguments, const FileReader& read_file,
                  Edition edition);

}  // namespace smmu::config

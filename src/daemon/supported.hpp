// SPDX-License-Identifier: Apache-2.0
// Supported: the language knows more words than this build can honour. A word that it cannot honour ends the start:
// ignoring it would leave the user believing in something that is not there.
#pragma once

#include <string>
#include <vector>

#include "config/configuration.hpp"

namespace smmu::daemon {

// One line for each word that cannot be honoured: where it stands, and what to do. Empty: all can.
std::vector<std::string> unsupported_words(const config::Configuration& configuration);

}  // namespace smmu::daemon

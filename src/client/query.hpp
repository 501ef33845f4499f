// SPDX-License-Identifier: Apache-2.0
// Query: the service's views as JSON text, for smmuctl. Not part of the shared library's interface.
#pragma once

#include <string_view>

#include "base/unique_fd.hpp"
#include "protocol/failure.hpp"
#include "protocol/wire.hpp"

namespace smmu::client {

// After smmu_init. A file that holds the text, to be read from its beginning. `argument` narrows
// the view (at most protocol::argument_limit bytes, EINVAL).
protocol::Checked<UniqueFd> query(protocol::View view, std::string_view argument);

}  // namespace smmu::client

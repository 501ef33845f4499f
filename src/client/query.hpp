// SPDX-License-Identifier: Apache-2.0
// Query: the service's views as JSON text, for smmuctl. Not part of the shared library's interface.
#pragma once

#include "base/unique_fd.hpp"
#include "protocol/failure.hpp"
#include "protocol/wire.hpp"

namespace smmu::client {

// After smmu_init. A file that holds the text, to be read from its beginning.
protocol::Checked<UniqueFd> query(protocol::View view);

}  // namespace smmu::client

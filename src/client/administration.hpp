// SPDX-License-Identifier: Apache-2.0
// Administration: what only administrators may ask of the service, for smmuctl. Not part of the shared library's
// interface.
#pragma once

#include <string_view>

#include "protocol/failure.hpp"
#include "protocol/wire.hpp"

namespace smmu::client {

// After smmu_init. `unit`: of release_unit. EPERM without ability admin; otherwise what the service says.
protocol::Checked<> administer(protocol::Administration action, std::string_view unit = {});

}  // namespace smmu::client

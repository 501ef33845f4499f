// SPDX-License-Identifier: Apache-2.0
// Service identity: a program that trusts a false service would believe that its devices are
// contained.
#pragma once

#include "protocol/failure.hpp"

namespace smmu::client {

// EPERM unless the socket's other end was opened by root, by the user smmuman, or by the caller's
// own user.
protocol::Checked<> check_service(int socket);

}  // namespace smmu::client

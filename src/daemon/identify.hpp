// SPDX-License-Identifier: Apache-2.0
// Identify: who has connected, as the kernel says it, and what configuration allows this user and these groups.
#pragma once

#include "base/result.hpp"
#include "config/configuration.hpp"
#include "containment/identity.hpp"
#include "protocol/peer.hpp"

namespace smmu::daemon {

// `own_user_is_root`: on a board the service's own user may do everything, as root may.
Result<containment::Identity> identify(int socket, const protocol::Peer& peer,
                                       const config::Configuration& configuration, bool own_user_is_root);

}  // namespace smmu::daemon

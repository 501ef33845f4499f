// SPDX-License-Identifier: Apache-2.0
// Reload: reading the configuration again, as the service manager sees it (sd_notify(3)).
#pragma once

#include "base/result.hpp"

namespace smmu::daemon {

class Service;

// Service::reload() between RELOADING and READY, whoever asked for it and whatever becomes of it.
Result<void> reload(Service& service);

}  // namespace smmu::daemon

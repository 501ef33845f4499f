// SPDX-License-Identifier: Apache-2.0
// Linux platform: the machine this process runs on.
#pragma once

#include <memory>
#include <string>

#include "platform/platform.hpp"

namespace smmu::platform::linux {

struct Places {
    std::string root = {};           // before /proc, /sys and /dev
    std::string holder_socket = {};  // empty: where smmuman-holder listens
    std::string lock = "/run/smmuman/machine.lock";
    std::string tables = "/run/smmuman/tables";  // the record of where they lie
};

// Reads /proc/iomem and the boot's identity; nothing else until asked. EPERM when this process may not know them.
Result<std::unique_ptr<Platform>> open(const Places& places = {});

}  // namespace smmu::platform::linux

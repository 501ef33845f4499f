// SPDX-License-Identifier: Apache-2.0
#include "daemon/reload.hpp"

#include <systemd/sd-daemon.h>

#include <cinttypes>
#include <ctime>

#include "daemon/service.hpp"

namespace smmu::daemon {

Result<void> reload(Service& service) {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    const auto microseconds = std::uint64_t(now.tv_sec) * 1'000'000 + std::uint64_t(now.tv_nsec) / 1'000;
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, microseconds);
    const Result<void> done = service.reload();
    sd_notifyf(0, "READY=1\nSTATUS=%s", service.summary().c_str());
    return done;
}

}  // namespace smmu::daemon

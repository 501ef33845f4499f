// SPDX-License-Identifier: Apache-2.0
// KeeperWatch: the process that keeps table memory and clients' pins for the time after this service. When it ends, its successor
// is given everything anew: what would be walked after a crash of the service must not be free then.
#pragma once

#include "base/result.hpp"
#include "daemon/event_source.hpp"
#include "platform/platform.hpp"

namespace smmu::daemon {

class KeeperWatch {
public:
    KeeperWatch(sd_event* loop, platform::Platform& platform) : loop_(loop), platform_(platform) {}

    // Joins it where it is needed and not joined. To be called at once, and every second.
    void look();
    // Why nobody keeps anything now; empty: somebody does, or need not.
    const std::string& problem() const { return problem_; }

private:
    static int on_hang_up(sd_event_source*, int fd, std::uint32_t events, void* watch);
    void lost(std::string why);

    sd_event* loop_;
    platform::Platform& platform_;
    EventSource connection_;
    std::string problem_;
};

}  // namespace smmu::daemon

// SPDX-License-Identifier: Apache-2.0
// Watch: what happens without anybody asking: refusals are fetched, units compared with what was written to them,
// unfinished connections dropped, systemd's watchdog fed.
#pragma once

#include "base/result.hpp"
#include "daemon/event_source.hpp"
#include "daemon/exit_status.hpp"
#include "daemon/keeper_watch.hpp"
#include "daemon/server.hpp"
#include "daemon/service.hpp"

namespace smmu::daemon {

class Watch {
public:
    // Refusals are looked for this often while devices have owners, and while nobody has any: a burst is seen within 10 ms at
    // any time. Each look is one register read of each unit.
    static constexpr std::chrono::microseconds attentive_period{5000}, idle_period{9500};
    static constexpr auto recheck_period = std::chrono::seconds(1);

    static Result<std::unique_ptr<Watch>> start(sd_event* loop, Service& service, Server& server);

    // Why the loop was ended, when a unit was found changed.
    const std::optional<Stop>& stop() const { return stop_; }

private:
    Watch(sd_event* loop, Service& service, Server& server)
        : loop_(loop), service_(service), server_(server), keeper_(loop, service.platform()) {}
    void look_for_keeper();
    static int on_look(sd_event_source*, int, std::uint32_t, void* watch);
    static int on_recheck(sd_event_source*, std::uint64_t, void* watch);
    static int on_trial_end(sd_event_source*, std::uint64_t, void* watch);

    sd_event* loop_;
    Service& service_;
    Server& server_;
    KeeperWatch keeper_;
    EventSource look_;
    EventSource recheck_;
    EventSource trial_;
    std::optional<Stop> stop_;
};

}  // namespace smmu::daemon

// SPDX-License-Identifier: Apache-2.0
#include "daemon/watch.hpp"

#include <systemd/sd-daemon.h>
#include <time.h>

#include <cstdio>

namespace smmu::daemon {

namespace {

// Refusals fetched in one turn before clients have theirs: a storm must not keep anybody from being blocked.
constexpr int drains_per_turn = 8;

std::uint64_t microseconds(std::chrono::microseconds period) { return std::uint64_t(period.count()); }

EventSource timer(sd_event* loop, std::chrono::microseconds period, sd_event_time_handler_t handler, void* data,
                  int priority) {
    sd_event_source* source = nullptr;
    if (sd_event_add_time_relative(loop, &source, CLOCK_MONOTONIC, microseconds(period), 1000, handler, data) < 0)
        return nullptr;
    sd_event_source_set_priority(source, priority);
    sd_event_source_set_enabled(source, SD_EVENT_ON);
    return EventSource(source);
}

}  // namespace

Result<std::unique_ptr<Watch>> Watch::start(sd_event* loop, Service& service, Server& server) {
    std::unique_ptr<Watch> watch(new Watch(loop, service, server));
    watch->look_ = due_after(loop, attentive_period, on_look, watch.get());
    watch->recheck_ = timer(loop, recheck_period, on_recheck, watch.get(), refusals);
    const auto trial = service.trial();
    if (trial.count() != 0) watch->trial_ = timer(loop, trial, on_trial_end, watch.get(), refusals);
    if (!watch->look_ || !watch->recheck_ || (trial.count() != 0 && !watch->trial_)) return fail(ENOMEM, "the event loop takes no more sources");
    sd_event_source_set_priority(watch->look_.get(), refusals);
    watch->look_for_keeper();
    return watch;
}

void Watch::look_for_keeper() {
    keeper_.look();
    service_.set_keeper_problem(keeper_.problem());
}

int Watch::on_look(sd_event_source* source, int, std::uint32_t, void* data) {
    Watch& watch = *static_cast<Watch*>(data);
    for (int i = 0; i < drains_per_turn && watch.service_.look_for_refusals(); ++i) {}
    watch.server_.go_on();
    const auto period = watch.service_.attentive() ? attentive_period : idle_period;
    due_again_after(source, period);
    return 0;
}

int Watch::on_trial_end(sd_event_source*, std::uint64_t, void* data) {
    Watch& watch = *static_cast<Watch*>(data);
    return watch.service_.trial().count() != 0 ? sd_event_exit(watch.loop_, int(ExitStatus::not_contained)) : 0;
}

int Watch::on_recheck(sd_event_source* source, std::uint64_t, void* data) {
    Watch& watch = *static_cast<Watch*>(data);
    watch.server_.sweep();
    watch.look_for_keeper();
    if (const auto change = watch.service_.recheck()) {
        std::fprintf(stderr, SD_CRIT "smmuman: %s\n", change->text.c_str());
        if (!change->contained) {
            watch.stop_ = Stop{ExitStatus::not_contained, "NOT CONTAINED: clients are blocked, the service ends"};
            return sd_event_exit(watch.loop_, int(watch.stop_->status));
        }
    }
    sd_notify(0, "WATCHDOG=1");
    return sd_event_source_set_time_relative(source, microseconds(recheck_period));
}

}  // namespace smmu::daemon

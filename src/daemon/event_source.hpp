// SPDX-License-Identifier: Apache-2.0
// EventSource: one sd-event source with one owner: disabled and dropped with it.
#pragma once

#include <systemd/sd-event.h>

#include <chrono>
#include <memory>

namespace smmu::daemon {

struct EventSourceDrop {
    void operator()(sd_event_source* source) const { sd_event_source_disable_unref(source); }
};
using EventSource = std::unique_ptr<sd_event_source, EventSourceDrop>;

// A source that is due in every turn of the loop while it is enabled; made disabled. Sources of the same priority and it
// take turns. A defer source would not let them: it counts as due since it was made, before all that became due later.
// nullptr: the loop takes no more sources, or the process no more descriptors.
EventSource always_due(sd_event* loop, sd_event_io_handler_t handler, void* data);

// A source that is due after so long, and its handler must say when again. What happens often uses it: that takes two system
// calls each time, where a time source of sd-event takes three. nullptr as above.
EventSource due_after(sd_event* loop, std::chrono::microseconds time, sd_event_io_handler_t handler, void* data);
void due_again_after(sd_event_source* source, std::chrono::microseconds time);

struct EventLoopDrop {
    void operator()(sd_event* loop) const { sd_event_unref(loop); }
};
using EventLoop = std::unique_ptr<sd_event, EventLoopDrop>;

// What happens first when several things are due in one turn of the loop: an ended process is contained before
// anybody is served. Requests and the steps of long operations take turns.
enum Priority : int { process_ended = -20, refusals = -10, service = 0 };

}  // namespace smmu::daemon

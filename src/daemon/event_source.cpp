// SPDX-License-Identifier: Apache-2.0
#include "daemon/event_source.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "base/unique_fd.hpp"

namespace smmu::daemon {

namespace {

EventSource owning(sd_event* loop, UniqueFd descriptor, sd_event_io_handler_t handler, void* data) {
    sd_event_source* made = nullptr;
    if (!descriptor || sd_event_add_io(loop, &made, descriptor.get(), EPOLLIN, handler, data) < 0) return nullptr;
    EventSource source(made);
    if (sd_event_source_set_io_fd_own(made, 1) < 0) return nullptr;
    descriptor.release();
    return source;
}

}  // namespace

EventSource always_due(sd_event* loop, sd_event_io_handler_t handler, void* data) {
    // Readable, and nobody reads it.
    EventSource source = owning(loop, UniqueFd(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK)), handler, data);
    if (!source || sd_event_source_set_enabled(source.get(), SD_EVENT_OFF) < 0) return nullptr;
    return source;
}

EventSource due_after(sd_event* loop, std::chrono::microseconds time, sd_event_io_handler_t handler, void* data) {
    EventSource source = owning(loop, UniqueFd(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)), handler, data);
    if (source) due_again_after(source.get(), time);
    return source;
}

// Setting a timer also forgets that it has expired, so nobody reads it.
void due_again_after(sd_event_source* source, std::chrono::microseconds time) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
    const itimerspec once{{}, {seconds.count(), std::chrono::nanoseconds(time - seconds).count()}};
    timerfd_settime(sd_event_source_get_io_fd(source), 0, &once, nullptr);
}

}  // namespace smmu::daemon

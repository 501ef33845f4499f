// SPDX-License-Identifier: Apache-2.0
#include "daemon/event_source.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/unique_fd.hpp"

namespace smmu::daemon {

EventSource always_due(sd_event* loop, sd_event_io_handler_t handler, void* data) {
    UniqueFd readable(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));  // and nobody reads it
    sd_event_source* made = nullptr;
    if (!readable || sd_event_add_io(loop, &made, readable.get(), EPOLLIN, handler, data) < 0) return nullptr;
    EventSource source(made);
    if (sd_event_source_set_io_fd_own(made, 1) < 0) return nullptr;
    readable.release();
    if (sd_event_source_set_enabled(made, SD_EVENT_OFF) < 0) return nullptr;
    return source;
}

}  // namespace smmu::daemon

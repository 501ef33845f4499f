// SPDX-License-Identifier: Apache-2.0
// Notification: smmu_xfer_notify. mq_notify() is one-shot and knows the same kinds of events, so
// the kernel delivers: this process registers on a queue of one message of its own, and the service
// sends that message.
#include <mqueue.h>
#include <signal.h>
#include <smmu.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "client/last_error.hpp"
#include "client/session.hpp"

namespace smmu::client {
namespace {

using protocol::Checked;
using protocol::NotifyAction;
using protocol::NotifyRequest;
using protocol::Opcode;
using protocol::refuse;
using protocol::refuse_errno;

constexpr int name_attempts = 16;

// A queue that has lost its name at once: only descriptors reach it.
Checked<UniqueFd> make_queue() {
    mq_attr attributes{};
    attributes.mq_maxmsg = 1;
    attributes.mq_msgsize = 1;
    for (int attempt = 0; attempt < name_attempts; ++attempt) {
        timespec now{};
        clock_gettime(CLOCK_MONOTONIC, &now);
        std::array<char, 64> name{};
        std::snprintf(name.data(), name.size(), "/smmu-%d-%lld-%ld-%d", int(getpid()),
                      static_cast<long long>(now.tv_sec), now.tv_nsec, attempt);
        UniqueFd queue(
            mq_open(name.data(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600, &attributes));
        if (!queue && errno == EEXIST) continue;
        if (!queue)
            return refuse_errno(
                errno, "smmu_xfer_notify: cannot make a message queue (see RLIMIT_MSGQUEUE)");
        mq_unlink(name.data());
        return queue;
    }
    return refuse(EAGAIN, "smmu_xfer_notify: cannot find a free name for a message queue");
}

Checked<int> cancel() {
    const Use session;
    const auto reply = session->call(Opcode::notify, NotifyRequest{NotifyAction::cancel, 0});
    if (!reply) return std::unexpected(reply.error());
    session->notification.reset();
    return 0;
}

Checked<int> arm(const sigevent& event) {
    if (event.sigev_notify != SIGEV_SIGNAL && event.sigev_notify != SIGEV_THREAD &&
        event.sigev_notify != SIGEV_NONE)
        return refuse(EINVAL, "smmu_xfer_notify: SIGEV_SIGNAL, SIGEV_THREAD or SIGEV_NONE");
    const Use session;
    if (const auto ready = session->connected(); !ready) return std::unexpected(ready.error());
    auto queue = make_queue();
    if (!queue) return std::unexpected(queue.error());
    if (mq_notify(queue->get(), &event) != 0)
        return refuse_errno(errno, "smmu_xfer_notify: not a valid event");
    const auto reply =
        session->call(Opcode::notify, NotifyRequest{NotifyAction::arm, 0}, {}, queue->get());
    if (!reply) return std::unexpected(reply.error());
    // Closing the queue of the earlier registration takes that registration back.
    session->notification = std::move(*queue);
    return 0;
}

}  // namespace
}  // namespace smmu::client

extern "C" int smmu_xfer_notify(const struct sigevent* evp) {
    using namespace smmu::client;
    return finish(evp == nullptr ? cancel() : arm(*evp));
}
